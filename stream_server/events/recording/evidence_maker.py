"""Has the evidence of events made in a thread, and saves what comes of it. Event loop only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from stream_server.event import Part
from stream_server.events.recording.draft import Draft, Material
from stream_server.events.recording.evidence_parts import CLIP, NO_CLIP, NOT_MADE, TOO_MANY, make_parts
from stream_server.events.recording.ports import RecorderPorts
from stream_server.store.rows import part_info

logger = logging.getLogger(__name__)

CLOSE_S: Final = 5.0
"""How long evidence may take when the monitor stops, ..."""
CLOSE_EACH_S: Final = 1.0
"""... and so much longer for each event, as each takes up to a second, ..."""
CLOSE_MOST_S: Final = 60.0
"""... but no longer than people wait."""


class EvidenceMaker:
    """One job for each draft at a time; all of them share one thread."""

    def __init__(self, ports: RecorderPorts) -> None:
        self.jobs: set[asyncio.Task[None]] = set()
        """What is being made now."""
        self._ports = ports

    def make(self, draft: Draft, now_s: float) -> None:
        """Make evidence of what there is; not while some is being made. `now_s` on the clock of `received_at_s`."""
        assert not draft.making
        job = self._make(draft, draft.build(now_s))
        draft.job = asyncio.get_running_loop().create_task(job, name=f"evidence-{draft.event.id}")
        self.jobs.add(draft.job)
        draft.job.add_done_callback(self.jobs.discard)

    async def finish(self, drafts: Sequence[Draft]) -> None:
        """Make what is still to be made of them; wait for that, but not for ever. What is late is said in its event."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + min(CLOSE_S + CLOSE_EACH_S * len(drafts), CLOSE_MOST_S)
        while (waiting := [draft for draft in drafts if not draft.done]) and loop.time() < ends_s:
            for draft in waiting:
                if not draft.making:
                    self.make(draft, self._ports.clock.monotonic())
            await asyncio.wait(self.jobs, timeout=ends_s - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        late = [draft for draft in drafts if not draft.done]
        if late:
            logger.warning("the evidence of %d events was not made in time", len(late))
        jobs = tuple(self.jobs)  # those that are late, and of events that were dropped
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        for draft in late:
            self._save(draft, None, (NOT_MADE,))

    async def _make(self, draft: Draft, material: Material) -> None:
        parts: tuple[Part, ...] | None = None
        notes: tuple[str, ...] = (NOT_MADE,)
        try:
            parts, notes = await asyncio.get_running_loop().run_in_executor(self._ports.executor, make_parts, material)
        except Exception:
            logger.exception("no evidence could be made for %s", draft.event.id)
        if draft.dropped:
            return
        if draft.event.private and not material.event.private:
            draft.built = False  # pictures that were made must not be kept: once more, without them
            return
        self._save(draft, parts, notes)

    def _save(self, draft: Draft, parts: tuple[Part, ...] | None, notes: tuple[str, ...]) -> None:
        """`parts`: None where none could be made; what was saved before then stays, with what was said of it."""
        if parts is None and draft.event.private:
            parts = ()  # pictures from before the stream became private do not stay
        if parts is None and draft.event.parts:
            return
        infos = [part_info(part) for part in parts or ()]
        stays = frozenset() if draft.clip_info is None else frozenset({draft.clip_info.name})
        if draft.clip_info is not None:
            infos.append(draft.clip_info)
        else:
            draft.clip_info = next((info for info in infos if info.name == CLIP), None)
        draft.clip.clear()
        # its pictures are gone with the first attempt: what was said of the clip then still holds
        hold = (TOO_MANY,) if draft.clip_info is not None else (TOO_MANY, NO_CLIP)
        kept = tuple(note for note in draft.event.notes if note in hold and note not in notes)
        draft.event = draft.event.model_copy(update={"notes": (*kept, *notes), "parts": tuple(infos)})
        self._ports.save(draft.event, parts, stays)
        self._ports.publish(draft.event)
