"""v2v: one video into another with vid2vid, from label maps or edges.

What the command line does is importable from the rooms (``v2vcli.engine``, ``v2vcli.evaluation``, ...). Importing this
package imports none of them, nor torch.
"""

__version__ = "0.1.0"
