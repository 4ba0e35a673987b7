"""The strict little browser of the lab, under the name the tests use. See ``proxy.lab.browser``."""

from proxy.lab.browser import Browser, Navigation, Page, Stuck, Tab
from proxy.lab.cookies import Jar

__all__ = ["Browser", "Jar", "Navigation", "Page", "Stuck", "Tab"]
