"""Load the plugins the operator named, in the operator's order, and refuse at start what could only fail later.

pluggy ignores a misspelt hook, an argument with a default, and a function whose marker was forgotten; and it hands back
wrappers among the implementations. Each is refused here, with its remedy, all of them at once.
"""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pluggy

from proxy import __version__, hooks
from proxy.oidc.errors import Misconfigured, Problem
from proxy.plugins import defaults
from proxy.plugins.call import Implementation, Runner
from proxy.plugins.chain import OURS, PluginInfo, Plugins
from proxy.plugins.find import Found, find

log = logging.getLogger("isthmus.plugins")


class PluginSettings(Protocol):
    """What ``[plugins]`` says. ``on_error`` is ``fail`` or ``skip``, ``time_limit`` seconds for one call."""

    @property
    def enabled(self) -> tuple[str, ...]: ...
    @property
    def folder(self) -> Path | None: ...
    @property
    def on_error(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def time_limit(self) -> float: ...


def load(settings: PluginSettings) -> Plugins:
    """The plugins of ``settings.enabled`` behind our own. Raises Misconfigured with every problem found."""
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    problems = list(_check_settings(settings))
    plugins = [Found(OURS, defaults, __version__, "built in"), *_find_all(settings, problems)]
    for found in plugins:
        problems += _register(manager, found)
    if problems:
        raise Misconfigured(*problems)
    return _ordered(manager, plugins, settings)


def _check_settings(settings: PluginSettings) -> Iterator[Problem]:
    if settings.folder and not settings.folder.is_dir():
        yield Problem("plugins", "folder", f"{settings.folder} is not a folder: make it, or remove the key")
    for name in settings.settings.keys() - set(settings.enabled):
        log.warning("plugins.settings.%s is not used: the plugin is not in plugins.enabled", name)


def _find_all(settings: PluginSettings, problems: list[Problem]) -> list[Found]:
    plugins = []
    for place, name in enumerate(settings.enabled):
        if name == OURS or name in settings.enabled[:place]:
            problems.append(Problem("plugins.enabled", name, "is loaded already: remove the name"))
            continue
        try:
            plugins.append(find(name, settings.settings.get(name, {}), settings.folder))
        except Misconfigured as error:
            problems += error.problems
    return plugins


def _register(manager: pluggy.PluginManager, found: Found) -> list[Problem]:
    try:
        remedies = list(_check_plugin(manager, found.plugin))
        if not remedies:
            manager.register(found.plugin, name=found.name)
    except Exception as error:  # noqa: BLE001 - pluggy's refusals, and a plugin whose attributes cannot be looked at
        remedies = [" ".join(str(error).split())]
    return [Problem("plugins.enabled", found.name, remedy) for remedy in remedies]


def _check_plugin(manager: pluggy.PluginManager, plugin: object) -> Iterator[str]:
    """What is wrong with the hooks of ``plugin``."""
    specs = _specs()
    marked = {name: options for name in dir(plugin) if (options := manager.parse_hookimpl_opts(plugin, name))}
    for name in sorted(specs.keys() & set(dir(plugin)) - marked.keys()):
        yield f"{name} is not marked: put @hookimpl in front of it"
    for name, options in marked.items():
        hook = options["specname"] or name
        if options["wrapper"] or options["hookwrapper"]:
            yield f"{name} is a hook wrapper: make it a plain implementation"
        elif hook in specs:
            yield from _check_arguments(name, getattr(plugin, name), specs[hook])
        elif not options["optionalhook"]:
            near = difflib.get_close_matches(hook, specs, n=1, cutoff=0.4)
            yield f"there is no hook {hook}: did you mean {(near or sorted(specs))[0]}?"
    if not marked:
        yield "implements no hook: mark its functions with @hookimpl, or remove the name"


def _specs() -> dict[str, tuple[str, ...]]:
    """Every hook with its arguments."""
    marker = f"{hooks.PROJECT}_spec"
    return {
        name: tuple(inspect.signature(hook).parameters) for name, hook in vars(hooks).items() if hasattr(hook, marker)
    }


def _check_arguments(name: str, function: Any, known: tuple[str, ...]) -> Iterator[str]:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    for argument in inspect.signature(function).parameters.values():
        if argument.kind not in named or argument.name not in known:
            yield f"{name} cannot take {argument}: it may name {', '.join(known)}"


def _ordered(manager: pluggy.PluginManager, plugins: list[Found], settings: PluginSettings) -> Plugins:
    """Implementations in the order of ``plugins``: pluggy's own is the reverse of registration."""
    order = [found.name for found in plugins]
    runners = {name: Runner(name, settings.time_limit) for name in order if name != OURS}
    implementations = {
        hook: tuple(
            Implementation(name, hook, impl.function, _arguments(impl.function), runners.get(name))
            for name in order
            for impl in getattr(manager.hook, hook).get_hookimpls()
            if impl.plugin_name == name
        )
        for hook in _specs()
    }
    infos = tuple(PluginInfo(p.name, p.version, p.found, _hooks_of(p.name, implementations)) for p in plugins)
    return Plugins(infos, implementations, settings.on_error == "skip")


def _arguments(function: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def _hooks_of(name: str, implementations: Mapping[str, tuple[Implementation, ...]]) -> tuple[str, ...]:
    return tuple(hook for hook, steps in implementations.items() if any(step.plugin == name for step in steps))
