"""judge - compares what viewers recorded with what was published."""

from stage.load import AUDIO, END, KEY, OPEN, VIDEO, WRONG, read_trace

KINDS = {VIDEO: "video", AUDIO: "audio"}


class Published:
    """What one publisher handed to its socket, by kind, in order."""

    def __init__(self, publisher):
        self.events = read_trace(publisher.trace)
        self.frames = {kind: [e for e in self.events if e.kind == kind]
                       for kind in KINDS}
        self.place = {kind: {(e.session, e.counter): i for i, e in enumerate(frames)}
                      for kind, frames in self.frames.items()}
        self.cuts = [e for e in self.events if e.kind == END and e.flags]

    def cut_of(self, session):
        """The end that it did not choose itself, or None."""
        return next((c for c in self.cuts if c.session == session), None)

    def first_of_session(self, session):
        """Its first key frame, or its first frame where there are none."""
        for e in self.events:
            if e.session == session and e.kind in KINDS and (
                    e.flags & KEY or not self.frames[VIDEO]):
                return e
        return None


class Verdict:
    """Of one viewer, or of many added up."""

    NAMES = ("lost", "twice", "wrong", "order", "cut", "stalled")

    def __init__(self):
        for name in self.NAMES:
            setattr(self, name, 0)
        self.frames = 0
        self.why = []

    def count(self, name, text, by=1):
        setattr(self, name, getattr(self, name) + by)
        if len(self.why) < 8:
            self.why.append(f"{name}: {text}")

    def add(self, other):
        for name in self.NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.frames += other.frames
        self.why += other.why[:max(0, 8 - len(self.why))]

    @property
    def is_clean(self):
        return not any(getattr(self, name) for name in self.NAMES)

    def __str__(self):
        return " ".join(f"{name} {getattr(self, name)}" for name in self.NAMES)


def judge_kind(verdict, who, published, events, kind, until_us, excused):
    """One kind of frames of one viewer, from its first one on."""
    frames, place = published.frames[kind], published.place[kind]
    seen, newest, last_ms = set(), None, None
    for e in events:
        if e.kind != kind:
            continue
        at = place.get((e.session, e.counter))
        if at is None:
            verdict.count("wrong", f"{who}: {KINDS[kind]} {e.session}/{e.counter} "
                                   "was never published")
            continue
        verdict.frames += 1
        if at in seen:
            verdict.count("twice", f"{who}: {KINDS[kind]} {e.session}/{e.counter}")
            continue
        seen.add(at)
        if newest is None and kind == VIDEO and not e.flags & KEY:
            verdict.count("wrong", f"{who} began with {e.session}/{e.counter}, "
                                   "no key frame")
        if newest is not None and at < newest:
            verdict.count("order", f"{who}: {KINDS[kind]} {e.session}/{e.counter}")
        if last_ms is not None and (e.ms - last_ms) & 0x80000000:
            verdict.count("order", f"{who}: time of {KINDS[kind]} goes back from "
                                   f"{last_ms} to {e.ms}")
        last_ms = e.ms
        newest = at if newest is None else max(newest, at)
    if not seen:
        if frames and frames[0].at_us < until_us:
            verdict.count("stalled", f"{who}: no {KINDS[kind]} at all")
        return
    missing = [f for i, f in enumerate(frames[min(seen):], min(seen))
               if i not in seen and f.at_us < until_us and not excused(f)]
    if missing:
        f, last = missing[0], missing[-1]
        verdict.count("lost", f"{who}: {len(missing)} {KINDS[kind]} from {f.session}/"
                              f"{f.counter} (sent at {f.at_us / 1e6:.3f}) to "
                              f"{last.session}/{last.counter}", len(missing))


def judge_viewer(viewer, published, until_us, excused, may_end, read_us=1 << 63):
    verdict = Verdict()
    events = [e for e in read_trace(viewer.trace) if e.at_us <= read_us]
    who = str(viewer)
    for kind in KINDS:
        judge_kind(verdict, who, published, events, kind, until_us, excused)
    wrong = [e for e in events if e.kind == WRONG]
    if wrong:
        verdict.count("wrong", f"{who}: {len(wrong)} units that nobody published",
                      len(wrong))
    ends = [e for e in events if e.kind == END]
    if ends and not may_end and not viewer.is_closed:
        verdict.count("cut", f"{who} at {ends[0].at_us / 1e6:.3f}")
    return verdict, events


def longest_pause_ms(events, from_us, until_us):
    """Between two frames of any kind, if it ended after from_us."""
    times = [e.at_us for e in events if e.kind in KINDS]
    gaps = [b - a for a, b in zip(times, times[1:])
            if b >= from_us and a <= until_us]
    return max(gaps) / 1000 if gaps else None


def first_frame_ms(events):
    """From the answer (or the dial) to the first frame."""
    frames = [e.at_us for e in events if e.kind in KINDS]
    opened = [e.at_us for e in events if e.kind == OPEN]
    return (frames[0] - opened[0]) / 1000 if frames and opened else None


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else None
