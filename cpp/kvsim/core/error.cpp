#include "kvsim/core/error.hpp"

#include <cstddef>

#if defined(__wasm__)
extern "C" __attribute__((import_module("env"), import_name("kvsim_host_error"))) void
kvsim_host_error(std::int32_t kind, const char* message, std::size_t length);
#endif

namespace kvsim {

std::string_view error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::config:
      return "config";
    case ErrorKind::infeasible:
      return "infeasible";
    case ErrorKind::livelock:
      return "livelock";
    case ErrorKind::invariant:
      return "invariant";
    case ErrorKind::deadline:
      return "deadline";
    case ErrorKind::cancelled:
      return "cancelled";
  }
  return "unknown";
}

// By value: the host may keep the message after the engine's memory is gone.
void fail(ErrorKind kind, std::string message) {
#if defined(__wasm__)
  kvsim_host_error(static_cast<std::int32_t>(kind), message.data(), message.size());
  __builtin_trap();
#else
  throw Error(kind, message);
#endif
}

std::string field_message(std::string_view path, std::string_view value_text,
                          std::string_view allowed_text) {
  std::string text(path);
  text.append(": got ").append(value_text).append("; allowed: ").append(allowed_text);
  return text;
}

void bad_field(std::string_view path, std::string_view value_text, std::string_view allowed_text) {
  fail(ErrorKind::config, field_message(path, value_text, allowed_text));
}

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 80;
  constexpr std::string_view hex = "0123456789abcdef";
  const bool cut = text.size() > longest;
  std::size_t end = cut ? longest : text.size();
  // No half of a UTF-8 character at the cut.
  while (cut && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  std::string result = "\"";
  for (const char c : text.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      result += "\\x";
      result += hex[byte >> 4];
      result += hex[byte & 15];
    } else {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result += cut ? "...\"" : "\"";
}

}  // namespace kvsim
