#include "kvsim/core/error.hpp"

#include <string>

#include "check.hpp"

using kvsim::ErrorKind;

TEST(error, carries_kind_and_message) {
  CHECK_THROWS_KIND(kvsim::fail(ErrorKind::livelock, "no progress"), livelock, "no progress");
  CHECK_THROWS_KIND(kvsim::fail(ErrorKind::cancelled, "stopped"), cancelled, "stopped");
}

TEST(error, a_bad_field_names_path_value_and_what_is_allowed) {
  CHECK_THROWS_KIND(kvsim::bad_field("engine.block_size", "0", "an integer >= 1"), config,
                    "engine.block_size: got 0; allowed: an integer >= 1");
}

TEST(error, kinds_have_names) {
  CHECK_EQ(kvsim::error_kind_name(ErrorKind::config), "config");
  CHECK_EQ(kvsim::error_kind_name(ErrorKind::infeasible), "infeasible");
  CHECK_EQ(kvsim::error_kind_name(ErrorKind::invariant), "invariant");
  CHECK_EQ(kvsim::error_kind_name(ErrorKind::deadline), "deadline");
}

TEST(error, quotes_escape_and_cut_between_characters) {
  CHECK_EQ(kvsim::quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\x0a\"");
  CHECK_EQ(kvsim::quoted(""), "\"\"");
  const std::string quoted = kvsim::quoted(std::string(79, 'x') + "\xC3\xA9");
  CHECK_EQ(quoted, "\"" + std::string(79, 'x') + "...\"");
}
