#include "kvsim/step_time/trust.hpp"

namespace kvsim::residuals {

namespace {
constexpr std::string_view runs_70b =
    "mean latencies of closed-loop runs of Llama-70B FP8 on 2, 4 and 8 H100";
}  // namespace

constinit const Residuals table{"table",         runs_70b,        45,
                                {-0.065, 0.127}, {-0.028, 0.058}, {-0.028, 0.051}};
constinit const Residuals fitted{"fitted",        runs_70b,        45,
                                 {-0.066, 0.151}, {-0.029, 0.064}, {-0.029, 0.063}};
constinit const Residuals roofline{"roofline",      runs_70b,        45,
                                   {-0.147, 0.094}, {-0.046, 0.054}, {-0.046, 0.053}};
constinit const Residuals spec_sheet{"spec_sheet",
                                     "single requests to Llama-3.1-8B on one RTX PRO 6000",
                                     300,
                                     {-0.218, 0.131},
                                     {-0.031, 0.019},
                                     {-0.031, 0.019}};
constinit const Residuals experts{"experts",
                                  "single requests to Qwen3-30B-A3B on two RTX PRO 6000",
                                  300,
                                  {-0.383, 0.684},
                                  {-0.225, -0.052},
                                  {-0.222, -0.051}};

}  // namespace kvsim::residuals
