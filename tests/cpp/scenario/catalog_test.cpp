#include "kvsim/scenario/catalog.hpp"

#include <fstream>
#include <iterator>
#include <string>

#include "check.hpp"
#include "kvsim/core/error.hpp"

using kvsim::Catalog;
using kvsim::Error;
using kvsim::GpuSpec;
using kvsim::ModelSpec;
using Model = std::variant<std::string, ModelSpec>;
using Gpu = std::variant<std::string, GpuSpec>;

namespace {

std::string read(const std::string& name) {
  std::ifstream file(KVSIM_SOURCE_DIR "/python/kvsim/data/catalog/" + name);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Catalog packaged() {
  Catalog catalog;
  catalog.add_models(read("models.json"));
  catalog.add_gpus(read("gpus.json"));
  return catalog;
}

const char* const tiny =
    R"({"layers": 2, "hidden_size": 64, "intermediate_size": 128, "heads": 4, "kv_heads": 2,
        "head_dim": 16, "vocab_size": 1000, "max_position_embeddings": 128)";

}  // namespace

TEST(catalog, has_the_models_and_gpus_by_name) {
  const Catalog catalog = packaged();
  CHECK_EQ(catalog.model(Model("llama-3-70b"), "model").layers, 80);
  CHECK_EQ(catalog.gpu(Gpu("h100-sxm"), "gpu").sms, 132);
}

TEST(catalog, an_unknown_name_gets_the_nearest) {
  const Catalog catalog = packaged();
  CHECK_THROWS_WITH(catalog.model(Model("llama-3-70B"), "model"), Error,
                    "model: got \"llama-3-70B\"; allowed: an inline object, or one of ");
  CHECK_THROWS_WITH(catalog.model(Model("llama-3-70B"), "model"), Error, "nearest: llama-3-70b");
  CHECK_THROWS_WITH(catalog.gpu(Gpu("h100"), "gpu"), Error, "h100-sxm");
  CHECK_THROWS_WITH(Catalog().gpu(Gpu("h100"), "gpu"), Error, "the catalogue is empty");
}

TEST(catalog, inline_objects_are_themselves) {
  ModelSpec model;
  model.layers = 3;
  CHECK_EQ(Catalog().model(Model(model), "model").layers, 3);
}

TEST(catalog, objects_by_name_take_the_name) {
  Catalog catalog;
  catalog.add_models("{\"mine\": " + std::string(tiny) + "}}");
  CHECK_EQ(catalog.model(Model("mine"), "model").name, std::string("mine"));
  CHECK_THROWS_WITH(catalog.add_models("{\"mine\": " + std::string(tiny) + "}}"), Error,
                    "models.mine.name: got \"mine\"; allowed: a name that the catalogue does not");
  CHECK_THROWS_WITH(
      catalog.add_models("{\"yours\": " + std::string(tiny) + ", \"name\": \"theirs\"}}"), Error,
      "models.yours.name");
}

TEST(catalog, a_model_lacks_nothing) {
  Catalog catalog;
  CHECK_THROWS_WITH(catalog.add_models("[" + std::string(tiny) + "}]"), Error, "models.0.name");
  CHECK_THROWS_WITH(catalog.add_models(R"([{"name": "x", "layers": 2}])"), Error,
                    "models.0.hidden_size: got nothing; allowed: a number above 0");
  CHECK_THROWS_WITH(catalog.add_models("[" + std::string(tiny) + R"(, "name": "x", "layer": 1}])"),
                    Error, "layer");
  CHECK_THROWS_WITH(
      catalog.add_models("[" + std::string(tiny) + R"(, "name": "x", "num_experts": 8}])"), Error,
      "models.0.experts_per_token: got 0; allowed: 1 to num_experts = 8");
  CHECK_THROWS_WITH(
      catalog.add_models("[" + std::string(tiny) + R"(, "name": "x", "experts_per_token": 8}])"),
      Error, "models.0.experts_per_token: got 8; allowed: 0, since num_experts is 0");
  CHECK_THROWS_WITH(catalog.add_gpus(R"([{"name": "x", "memory_bytes": 1e10}])"), Error,
                    "gpus.0.hbm_bytes_per_s: got nothing");
  CHECK_THROWS_WITH(catalog.add_gpus("7"), Error, "gpus: got 7");
}
