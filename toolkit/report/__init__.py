"""One report in, many documents out."""

from toolkit.report.render import RENDERERS, Renderer, renderer

__all__ = ["RENDERERS", "Renderer", "renderer"]
