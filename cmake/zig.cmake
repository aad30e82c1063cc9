# Toolchain file: cross-compiles with the clang that the `ziglang` wheel carries.
#   cmake --toolchain cmake/zig.cmake -DKVSIM_ZIG=.../ziglang/zig -DKVSIM_TARGET=wasm32-wasi
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES KVSIM_ZIG KVSIM_TARGET)

if(KVSIM_TARGET STREQUAL "wasm32-wasi")
  set(CMAKE_SYSTEM_NAME WASI)
  set(CMAKE_SYSTEM_PROCESSOR wasm32)
elseif(KVSIM_TARGET STREQUAL "aarch64-linux-musl")
  set(CMAKE_SYSTEM_NAME Linux)
  set(CMAKE_SYSTEM_PROCESSOR aarch64)
else()
  message(FATAL_ERROR "KVSIM_TARGET is '${KVSIM_TARGET}'; it can be wasm32-wasi or aarch64-linux-musl")
endif()

set(CMAKE_CXX_COMPILER "${KVSIM_ZIG}" c++ -target ${KVSIM_TARGET})
# Zig has its own linker and archiver; a compiler check that only compiles needs neither.
set(CMAKE_CXX_COMPILER_WORKS TRUE)
