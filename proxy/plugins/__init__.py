"""Plugins: find what the operator named, call it step by step, check what comes back, note who set which value.

    find      entry point, single file or module path, to a plugin object
    load      register with pluggy, refuse what cannot work, keep the operator's order
    call      one implementation, one guarded call: threads, time limit, bound on calls that never return
    check     what an implementation may return
    values    what an implementation gets: read-only, without secrets
    defaults  our own plugin, which goes first
    chain     the hooks as the bridge uses them

The hooks themselves stand in ``proxy.hooks``, their manual in plugins/README.md.
"""

from proxy.plugins.chain import Mapped, PluginFailed, PluginInfo, Plugins, Scopes
from proxy.plugins.load import PluginSettings, load

__all__ = ["Mapped", "PluginFailed", "PluginInfo", "PluginSettings", "Plugins", "Scopes", "load"]
