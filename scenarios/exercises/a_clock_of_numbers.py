"""E10: where an initial sequence number comes from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lab import Lab, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round, Seen
from lab.exercise.notation import SPAN, Choice
from lab.record.events import FrameSeen, Recording

TICK_NS = 64
CLOSE = 1.5
"""Factor by which a measured rate may differ from that of a clock: a busy machine changes it by a few percent."""
NEAR = SPAN // 64
"""All of eight numbers are so near to the first of them by chance once in 32**7 runs."""


def run(lab: Lab, own: Numbers) -> None:
    if own.others:
        lab.step("OTHER")
        for number in range(own.others):
            dial(lab, lab.peer(port=own.port), own.local + number)
        return
    client = lab.peer(port=own.port)
    server = lab.peer(to=lab.kernel.listen(port=own.listening))
    lab.step("FIRST")
    dial(lab, client, own.local)
    be_dialled(server, 0)
    client.expect_silence(during=own.delay / 1000)
    lab.step("AGAIN")
    dial(lab, client, own.local)
    be_dialled(server, own.later)


def dial(lab: Lab, peer: Peer, port: int) -> None:
    """The kernel connects from this port, and the peer refuses."""
    client = lab.kernel.connect(to=peer, port=port)
    peer.expect("S", seq=0)
    client.close()
    peer.send("RA", seq=0, ack=1)
    peer.expect_silence()


def be_dialled(peer: Peer, seq: int) -> None:
    """The peer's SYN has this sequence number; when the kernel has answered, the peer gives up."""
    peer.send("S", seq=seq)
    peer.expect("SA", ack=seq + 1)
    peer.send("R", seq=seq + 1)


@dataclass(frozen=True, slots=True)
class Growth:
    """How the second of two initial sequence numbers has grown: the index of an option of GROWTH."""

    field: ClassVar[str] = "seq"
    letters: str

    def __call__(self, recording: Recording) -> Seen | None:
        """Compare the first two segments of the kernel with these control bits."""
        found = list(initial_numbers(recording, self.letters))
        if len(found) < 2:
            return None
        (_, before_ns, before), (at, after_ns, after) = found[:2]
        grown = (after - before) % SPAN
        if grown == 1:
            return Seen(2, at)
        for option, tick_ns in enumerate((4000, TICK_NS)):
            if 1 / CLOSE < grown * tick_ns / (after_ns - before_ns) < CLOSE:
                return Seen(option, at)
        return Seen(3, at)


def nearness(recording: Recording) -> Seen | None:
    """Whether all SYNs follow one clock: the index of an option of OTHER_PORTS. The event is the first of them."""
    found = list(initial_numbers(recording, "S"))
    if not found:
        return None
    at, began_ns, first = found[0]
    shifts = [(number - first - (time_ns - began_ns) // TICK_NS) % SPAN for _, time_ns, number in found]
    return Seen(0 if all(min(shift, SPAN - shift) < NEAR for shift in shifts) else 1, at)


def initial_numbers(recording: Recording, letters: str) -> Iterator[tuple[int, int, int]]:
    """Index, time and sequence number of each segment of the kernel with these control bits."""
    for at, event in enumerate(recording.events):
        if not isinstance(event, FrameSeen) or event.from_peer or event.retransmission:
            continue
        if event.segment is not None and event.segment.letters == letters:
            yield at, event.time_ns, int(event.segment.seq)


GROWTH = (
    Text("by 250 in each millisecond: a clock of 4 µs", "每毫秒增加 250：4 µs 的时钟"),
    Text("by 15625 in each millisecond: a clock of 64 ns", "每毫秒增加 15625：64 ns 的时钟"),
    Text("by one: connections are counted", "增加 1：按连接计数"),
    Text("not at all: both are random, and have no relation", "没有规律：两个都是随机数，互不相关"),
)
OTHER_PORTS = (
    Text("all of them follow one clock", "都遵循同一个时钟"),
    Text("they are spread over all of the 2**32 numbers", "分散在全部 2**32 个数里"),
)
WHY = Text(
    "For the same addresses and ports a number is a constant secret plus a clock, here of 64 ns: it has grown by the"
    " time that has passed. RFC 6528 3",
    "地址和端口相同时，序列号等于一个固定的秘密值加上时钟（这里是 64 ns）：它随经过的时间增长。RFC 6528 3",
)

EXERCISE = Exercise(
    id="E10",
    title=Text("A clock of numbers", "序列号的时钟"),
    goal=Text(
        "Say which initial sequence numbers are related, and which are not, and why.",
        "会说出哪些初始序列号有关系，哪些没有，以及为什么。",
    ),
    minutes=10,
    section="RFC 9293 3.4.1, RFC 6528 3",
    article="3.2",
    run=run,
    draw={
        "port": range(1024, 30000),
        "listening": range(30001, 40000),
        "local": range(40001, 60000),
        "delay": range(250, 500),
        "later": range(200_000, 900_000, 7),
        "others": (0,),
    },
    rounds=(
        Round(
            Text(
                "A program connects from port {local} to your port {port}; you refuse. Some {delay} ms later it"
                " dials again, from the same port to the same port. You dial as well, twice, from one port to"
                " one port of the kernel, and give up each time: your second SYN has a sequence number {later}"
                " above the first. Each time the kernel chooses an initial sequence number.",
                "一个程序从端口 {local} 连接你的端口 {port}，你拒绝。大约 {delay} 毫秒之后它再次连接，端口都相同。"
                "你也从同一个端口向内核的同一个端口连接两次，每次都放弃：第二个 SYN 的序列号比第一个大 {later}。"
                "每一次内核都选择一个初始序列号。",
            ),
            predict=(
                Question(
                    "of_client",
                    Text(
                        "The program's two SYNs: how has the sequence number grown from the first to the second?",
                        "程序的两个 SYN：序列号从第一个到第二个增加了多少？",
                    ),
                    Choice(GROWTH),
                    Growth("S"),
                    lambda _: 1,
                    WHY,
                    {
                        "clock-of-the-rfc": lambda _: 0,
                        "number-is-no-counter": lambda _: 2,
                        "number-is-not-random": lambda _: 3,
                    },
                ),
                Question(
                    "of_server",
                    Text(
                        "And the kernel's two SYN+ACKs to you?",
                        "内核给你的两个 SYN+ACK 呢？",
                    ),
                    Choice(GROWTH),
                    Growth("SA"),
                    lambda _: 1,
                    Text(
                        "A server's number comes from the same clock; yours has no influence on it. RFC 6528 3",
                        "服务器的序列号来自同样的时钟，不受你的序列号影响。RFC 6528 3",
                    ),
                    {
                        "clock-of-the-rfc": lambda _: 0,
                        "number-is-no-counter": lambda _: 2,
                        "number-is-not-random": lambda _: 3,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "Now the program dials eight times in a row, each time from another port: {local} and those above it.",
                "现在程序连续连接八次，每次用另一个端口：从 {local} 开始依次往上。",
            ),
            change={"others": 8},
            hint=Text(
                "What could somebody do who opens one connection and can compute the numbers of all others?",
                "如果建立一个连接就能算出其他所有连接的序列号，这个人能做什么？",
            ),
            predict=(
                Question(
                    "of_other_ports",
                    Text(
                        "What are the initial sequence numbers of these SYNs like?", "这些 SYN 的初始序列号是怎样的？"
                    ),
                    Choice(OTHER_PORTS),
                    nearness,
                    lambda _: 1,
                    Text(
                        "The clock is the same, but each pair of addresses and ports has a secret of its own, which is"
                        " added. Nobody can compute it from the numbers of other connections. RFC 6528 3",
                        "时钟相同，但每组地址和端口都有自己的秘密值加在上面，无法由其他连接的序列号算出。RFC 6528 3",
                    ),
                    {"one-clock-for-all": lambda _: 0},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Why should an old segment of a connection not have a number of the next one with the same ports?",
            "为什么旧连接的报文段不应该带有端口相同的下一个连接的序列号？",
        ),
        Text(
            "Numbers that only grow help against old segments; numbers that nobody can guess help against forgers.",
            "只增不减的序列号用来防旧报文段；无法猜到的序列号用来防伪造者。",
        ),
        Text(
            "Clock plus secret. The secret depends on addresses and ports; Linux counts in ticks of 64 ns.",
            "时钟加秘密值。秘密值取决于地址和端口；Linux 以 64 ns 为一个单位计数。",
        ),
    ),
    learned=Text(
        "An initial sequence number is a clock plus a secret for its addresses and ports: it grows for the same ones,"
        " and cannot be guessed for others.",
        "初始序列号是时钟加上与地址和端口对应的秘密值：对相同的端口只增不减，对其他端口无法猜到。",
    ),
)
