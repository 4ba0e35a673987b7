"""The strict little browser of the lab, under the name the tests use. See ``proxy.lab.browser``."""

from proxy.lab.browser import Browser, Tab
from proxy.lab.cookies import Jar
from proxy.lab.navigation import Navigation, Page, Stuck

__all__ = ["Browser", "Jar", "Navigation", "Page", "Stuck", "Tab"]
