"""Drawn clips, all of their frames on a device."""

from __future__ import annotations

from v2vcli.train.clip_loading import ClipBatch, Clips


def whole(clips: Clips) -> ClipBatch:
    return clips.part(slice(0, clips.frames))
