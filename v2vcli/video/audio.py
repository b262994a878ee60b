"""Audio encoded again: because somebody asks for it, or as the last resort where the container cannot hold the old."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer

from v2vcli.errors import UsageError

_BIT_RATE_PER_CHANNEL = 96_000
_PREFERRED = {
    **dict.fromkeys(("mp4", "mov", "ipod", "flv", "mpegts", "matroska", "nut"), "aac"),
    **{"webm": "libopus", "avi": "libmp3lame"},
}
_OPUS_RATES = (48_000, 24_000, 16_000, 12_000, 8_000)


def require_audio_encoder(name: str) -> None:
    """Check that there is an audio encoder of this name.

    Raises:
        UsageError: there is none.
    """
    try:
        known = Codec(name, "w").type == "audio"
    except UnknownCodecError:
        known = False
    if not known:
        raise UsageError(f"-c:a {name}: not an audio encoder that is here; try copy, aac, libopus, libmp3lame or flac")


class AudioTranscoder:
    """Decodes the packets of one audio stream and encodes them into another, keeping their times."""

    def __init__(self, source: AudioStream, container: OutputContainer, codec: str | None = None) -> None:
        """Add the new stream to ``container``.

        Args:
            source: what to decode.
            container: where to.
            codec: the encoder; None: what suits the container.

        Raises:
            ValueError, av.FFmpegError: there is no encoder for this container, or it does not take the audio.
        """
        name = container.format.name
        codec = codec or _PREFERRED.get(name) or container.default_audio_codec
        rate = source.codec_context.sample_rate
        if codec in ("libopus", "opus") and rate not in _OPUS_RATES:
            rate = _OPUS_RATES[0]
        trial = av.CodecContext.create(codec, "w")  # a stream, once added, cannot be taken back
        assert isinstance(trial, AudioCodecContext)
        trial.format = trial.codec.audio_formats[0] if trial.codec.audio_formats else source.codec_context.format
        trial.sample_rate = rate
        self._configure(trial, source)
        trial.open()
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, AudioStream)
        self._configure(stream.codec_context, source)
        self.stream = stream
        self._source = source

    @staticmethod
    def _configure(encoder: AudioCodecContext, source: AudioStream) -> None:
        encoder.layout = source.codec_context.layout.name
        encoder.bit_rate = _BIT_RATE_PER_CHANNEL * max(1, source.codec_context.channels)

    @property
    def codec(self) -> str:
        """The encoder in use."""
        return self.stream.codec_context.name

    def __call__(self, packet: av.Packet[AudioStream] | None) -> Iterator[av.Packet[AudioStream]]:
        """New packets for one old packet; None flushes. Damaged packets are left out."""
        decoder, encoder = self._source.codec_context, self.stream.codec_context
        assert isinstance(encoder, AudioCodecContext)
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError:
            frames = []
        for frame in frames:
            frame.time_base = self._source.time_base or frame.time_base
            for encoded in encoder.encode(frame):
                encoded.stream = self.stream
                yield encoded
        if packet is None:
            for encoded in encoder.encode(None):
                encoded.stream = self.stream
                yield encoded
