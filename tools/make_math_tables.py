"""Print cpp/kvsim/core/math_tables.hpp: tables of exp, log and of decimals, correctly rounded.

    python tools/make_math_tables.py > cpp/kvsim/core/math_tables.hpp

Logarithms and exponentials are computed with 60 digits by the decimal module, powers of ten as
integers.
"""

import struct
import sys
from decimal import Decimal, getcontext

getcontext().prec = 60

# The middle of log's first interval; intervals are 1/128 of an octave's mantissa wide.
FIRST_MIDDLE_BITS = 0x3FE6000000000000
INTERVALS = 128
# Every 27th power of ten; 5^26 has 61 bits, so one product with a word gives those between.
POWER_STEP = 27
FIRST_POWER = -297
POWERS = 24
# Parts that are multiples of 2^-42 and below 2^11 add without rounding.
GRID = Decimal(2) ** 42


def nearest(x: Decimal) -> float:
    """Return the double nearest to x."""
    return float(x)


def on_grid(x: Decimal) -> float:
    """Return the multiple of 2^-42 nearest to x."""
    return float((x * GRID).to_integral_value() / GRID)


def hexfloat(x: float) -> str:
    """Return x as a C++ literal."""
    return x.hex()


def log_rows() -> list[str]:
    """Return rows {1/c, high part and low part of log c}, 1/c a multiple of 2^-9."""
    rows = []
    for i in range(INTERVALS):
        (middle,) = struct.unpack("<d", struct.pack("<Q", FIRST_MIDDLE_BITS + (i << 45)))
        inverse = Decimal(round(512 / middle)) / 512
        log_c = -inverse.ln()
        high = on_grid(log_c)
        low = nearest(log_c - Decimal(high))
        rows.append(f"{{{hexfloat(float(inverse))}, {hexfloat(high)}, {hexfloat(low)}}}")
    return rows


def exp_rows() -> list[str]:
    """Return rows {double nearest to 2^(j/128), its relative error}."""
    rows = []
    for j in range(INTERVALS):
        exact = (Decimal(2).ln() * j / INTERVALS).exp()
        value = nearest(exact)
        rows.append(f"{{{hexfloat(value)}, {hexfloat(nearest(exact / Decimal(value) - 1))}}}")
    return rows


def power_row(exponent: int) -> str:
    """Return the upper 192 bits of a power of ten, in words of 64 bits, the highest first."""
    if exponent >= 0:
        value = 10**exponent << 192
    else:
        value = (1 << (192 + 4 * -exponent)) // 10**-exponent
    value >>= value.bit_length() - 192
    words = (value >> shift & (2**64 - 1) for shift in (128, 64, 0))
    return "{" + ", ".join(f"{word:#018x}" for word in words) + "}"


def main() -> None:
    """Write the header to standard output."""
    ln2 = Decimal(2).ln()
    ln2_high = on_grid(ln2)
    step = ln2 / INTERVALS
    # 34 bits, so that a product with an integer below 2^18 is exact.
    step_high = on_grid(step)
    write = sys.stdout.write
    write("// Made by tools/make_math_tables.py; do not edit.\n#pragma once\n\n")
    write("#include <cstdint>\n\n")
    write("namespace kvsim::math::detail {\n\n")
    write(f"inline constexpr double ln2_high = {hexfloat(ln2_high)};\n")
    write(f"inline constexpr double ln2_low = {hexfloat(nearest(ln2 - Decimal(ln2_high)))};\n")
    write("// ln 2 / 128 and 128 / ln 2\n")
    write(f"inline constexpr double step_high = {hexfloat(step_high)};\n")
    write(f"inline constexpr double step_low = {hexfloat(nearest(step - Decimal(step_high)))};\n")
    write(f"inline constexpr double steps = {hexfloat(nearest(1 / step))};\n\n")
    write("struct LogRow {\n  double inverse;  // 1/c\n  double high;     // log c\n")
    write("  double low;\n};\n")
    write("// clang-format off\n")
    write(f"inline constexpr LogRow log_rows[{INTERVALS}] = {{\n")
    write("".join(f"    {row},\n" for row in log_rows()))
    write("};\n// clang-format on\n\n")
    write("struct ExpRow {\n  double value;  // 2^(j/128), rounded\n")
    write("  double tail;   // what is missing, relative\n};\n")
    write("// clang-format off\n")
    write(f"inline constexpr ExpRow exp_rows[{INTERVALS}] = {{\n")
    write("".join(f"    {row},\n" for row in exp_rows()))
    write("};\n// clang-format on\n\n")
    write(f"inline constexpr int power_step = {POWER_STEP};\n")
    write(f"inline constexpr int first_power = {FIRST_POWER};\n")
    write("// The upper 192 bits of 10^first_power, 10^(first_power + power_step) and so on.\n")
    write("// clang-format off\n")
    write(f"inline constexpr std::uint64_t power_rows[{POWERS}][3] = {{\n")
    exponents = (FIRST_POWER + i * POWER_STEP for i in range(POWERS))
    write("".join(f"    {power_row(exponent)},\n" for exponent in exponents))
    write("};\n// clang-format on\n\n}  // namespace kvsim::math::detail\n")


if __name__ == "__main__":
    main()
