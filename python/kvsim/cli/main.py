"""The commands, and how errors leave them."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from kvsim.errors import ConfigError, KvsimError, SweepInterrupted

if TYPE_CHECKING:
    import typer


def app() -> typer.Typer:
    """Return the application with all its commands."""
    import typer

    from kvsim.cli import (
        about,
        cfo,
        costs,
        demo,
        lab,
        memory,
        runs,
        search,
        sharding,
        store,
        validate,
        validate_memory,
        validate_queueing,
        verify,
    )

    application = typer.Typer(
        help="Simulate LLM serving: latency, throughput, KV memory.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback(invoke_without_command=True)(about.version_option)
    for name, command in (
        ("run", runs.run),
        ("sweep", runs.sweep),
        ("frontier", runs.frontier),
        ("capacity", search.capacity),
        ("optimize", search.optimize),
        ("tradeoff", search.tradeoff),
        ("cfo", cfo.challenge),
        ("sharding", sharding.sharding),
        ("concurrency", memory.concurrency),
        ("hit-rates", memory.hit_rates),
        ("catalog", about.catalog),
        ("fields", about.fields),
        ("schema", about.schema),
        ("verify-vllm", verify.verify_vllm),
        ("demo", demo.demo),
        ("lab", lab.lab),
        ("replay", lab.replay),
    ):
        application.command(name)(_guarded(command))
    application.add_typer(store.commands(_guarded), name="store")
    application.add_typer(costs.commands(_guarded), name="costs")
    checks = typer.Typer(help="Predictions against measurements and theory.", no_args_is_help=True)
    checks.command("step-time")(_guarded(validate.step_time))
    checks.command("memory")(_guarded(validate_memory.memory))
    checks.command("queueing")(_guarded(validate_queueing.queueing))
    checks.command("tail")(_guarded(validate_queueing.tail))
    checks.command("speculation")(_guarded(validate_queueing.speculation))
    checks.command("cost")(_guarded(validate_queueing.cost))
    application.add_typer(checks, name="validate")
    return application


class _InterruptedError(Exception):
    """Ctrl-C on its way through typer, which would swallow a KeyboardInterrupt and its text."""


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except SweepInterrupted as error:
            raise _InterruptedError(str(error).replace("; see .result", "")) from None
        except KeyboardInterrupt:
            raise _InterruptedError("interrupted") from None

    return guarded


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those of the process.
    """
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (`kvsim fields | head`). Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    import typer

    usage = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        # A command that leaves with typer.Exit makes its code the value of the call.
        returned = app()(args=arguments, prog_name="kvsim", standalone_mode=False)
        return returned if isinstance(returned, int) else 0
    except _InterruptedError as error:
        return _fail(str(error), 130)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except ConfigError as error:
        return _fail(str(error), 2)
    except KvsimError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:
        raise
    except (OSError, ValueError, KeyError) as error:
        text = error.args[0] if isinstance(error, KeyError) else error
        return _fail(str(text), 2)
    except Exception as error:
        if not isinstance(error, usage):
            raise
        return _fail(error.format_message(), 2)  # type: ignore[attr-defined]


def _fail(text: str, code: int) -> int:
    line = " ".join(text.split())
    print(f"kvsim: {line}", file=sys.stderr)
    return code
