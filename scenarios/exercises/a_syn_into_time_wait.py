"""E46: which new SYN ends TIME-WAIT."""

from lab import Lab, Listener, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, Several, StateName
from lab.exercise.readings import KernelState, OfSegment, Which
from lab.tcp.options import Option, timestamp
from lab.tcp.state import State

STEPS = ("seq+", "seq-", "seq- TS+", "seq+ TS-", "seq+ TS=", "seq- TS=")
CASES = (
    Text("a higher number, no timestamps on either connection", "序列号更大，两个连接都没有时间戳"),
    Text("a lower number, no timestamps on either connection", "序列号更小，两个连接都没有时间戳"),
    Text("a lower number and a newer timestamp", "序列号更小，时间戳更新"),
    Text("a higher number and an older timestamp", "序列号更大，时间戳更旧"),
    Text("a higher number and the same timestamp", "序列号更大，时间戳相同"),
    Text("a lower number and the same timestamp", "序列号更小，时间戳相同"),
)
ACCEPTED = (True, False, True, False, True, False)


def run(lab: Lab, own: Numbers) -> None:
    for at, (step, accepted) in enumerate(zip(STEPS, ACCEPTED, strict=True)):
        server = lab.kernel.listen(port=own.port + at)
        lab.step("TIME-WAIT")
        peer, recent = time_wait(lab, server, own, timestamps="TS" in step)
        if not own.listens:
            server.close()
        newer = {"+": 1, "-": -1, "=": 0}[step[-1]]
        seq = own.d if step.startswith("seq+") else -own.d
        lab.step(step)
        peer.send("S", seq=seq, options=syn_options(recent + newer) if "TS" in step else [("MSS", 1460)])
        if accepted and own.listens:
            peer.expect("SA", ack=seq + 1)
            lab.kernel.expect_state(peer, "SYN-RECEIVED")
        else:
            peer.expect("A", seq=2, ack=2 + own.n)
            lab.kernel.expect_state(peer, "TIME-WAIT")


def time_wait(lab: Lab, server: Listener, own: Numbers, *, timestamps: bool) -> tuple[Peer, int]:
    """A connection in TIME-WAIT, and the last timestamp that the kernel has seen of it."""
    peer = lab.peer(to=server, iss=own.x, timestamps=timestamps)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)
    connection.close()
    peer.expect("FA", seq=1, ack=1 + own.n)
    peer.send("A")
    peer.send("FA")
    last = peer.expect("A", seq=2, ack=2 + own.n)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    stamp = timestamp(last.options)
    return peer, stamp[1] if stamp is not None else 0


def syn_options(tsval: int) -> list[Option]:
    """The options of a SYN with this timestamp."""
    return [("MSS", 1460), ("NOP", None), ("NOP", None), ("Timestamp", (tsval, 0))]


EXERCISE = Exercise(
    id="E46",
    title=Text("A SYN into TIME-WAIT", "TIME-WAIT 中的 SYN"),
    goal=Text(
        "Say which new SYN may end TIME-WAIT early, and how the kernel answers one that may not.",
        "会说出哪些新的 SYN 可以提前结束 TIME-WAIT，以及内核如何应答不可以的。",
    ),
    minutes=12,
    section="RFC 9293 3.6.1 MAY-2; RFC 6191 2; RFC 7323 5.3",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "d": range(5000, 400_000, 7),
        "port": range(1024, 30000),
        "listens": (1,),
    },
    rounds=(
        Round(
            Text(
                "Six connections are in TIME-WAIT at the kernel. In each your SYN had x = {x}, you have sent {n} bytes,"
                " and the program has read them and closed first. Now you send a new SYN on each, with the same"
                " addresses and ports; the program still listens. The new number is x+{d} (higher) or x-{d} (lower)."
                " (Answers are those of Linux 6.18.)",
                "六个连接在内核中处于 TIME-WAIT。每个连接上，你的 SYN 的序列号为 x = {x}，你发送了 {n} 字节，"
                "程序读取之后先关闭。现在你在每个连接上发送新的 SYN，地址和端口都相同；程序仍在监听。"
                "新的序列号是 x+{d}（更大）或 x-{d}（更小）。（以 Linux 6.18 的应答为准。）",
            ),
            predict=(
                Question(
                    "accepted",
                    Text("Which of these SYNs are answered with SYN+ACK?", "其中哪些 SYN 得到 SYN+ACK 应答？"),
                    Several(CASES),
                    Which(tuple(OfSegment(1, "flags", step=step) for step in STEPS), "SA"),
                    lambda _: frozenset(at for at, accepted in enumerate(ACCEPTED) if accepted),
                    Text(
                        "A newer timestamp proves that a SYN is new, an older one that it is old; without a difference"
                        " the number decides. RFC 6191 2",
                        "更新的时间戳证明 SYN 是新的，更旧的证明它是旧的；时间戳没有差别时由序列号决定。RFC 6191 2",
                    ),
                    {
                        "time-wait-refuses-all": lambda _: frozenset(),
                        "time-wait-refuses-none": lambda _: frozenset(range(6)),
                        "only-the-number-decides": lambda _: frozenset({0, 3, 4}),
                        "only-timestamps-decide": lambda _: frozenset({2}),
                    },
                ),
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does the SYN+ACK in case a have?",
                        "情形 a 的 SYN+ACK 的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="seq+"),
                    lambda own: At("x", own.d + 1),
                    Text(
                        "The new connection begins with the new SYN: x+{d}+1. RFC 9293 3.4",
                        "新连接从新的 SYN 开始：x+{d}+1。RFC 9293 3.4",
                    ),
                    {
                        "syn-not-counted": lambda own: At("x", own.d),
                        "old-numbers-go-on": lambda own: At("x", 2 + own.n),
                    },
                ),
                Question(
                    "refused_ack",
                    Text(
                        "Case b is refused. Which acknowledgment number does the kernel's answer have?",
                        "情形 b 被拒绝。内核应答的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="seq-"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "The last ACK of the old connection is sent again: x+2+{n}. RFC 9293 3.10.7.4",
                        "再次发送旧连接的最后一个 ACK：x+2+{n}。RFC 9293 3.10.7.4",
                    ),
                    {
                        "refused-syn-is-acknowledged": lambda own: At("x", 1 - own.d),
                        "fin-not-counted": lambda own: At("x", 1 + own.n),
                    },
                ),
            ),
            investigate=(
                Question(
                    "refused_flags",
                    Text("Which control bits did the answer in case d have?", "情形 d 的应答带哪些控制位？"),
                    Flags(),
                    OfSegment(1, "flags", step="seq+ TS-"),
                    lambda _: "A",
                    Text(
                        "An ACK, as in case b: a reset could be used to end connections. RFC 9293 3.10.7.4",
                        "ACK，与情形 b 一样：如果用复位，就可能被用来结束连接。RFC 9293 3.10.7.4",
                    ),
                    {"refused-is-reset": lambda _: "RA"},
                ),
            ),
        ),
        Round(
            Text(
                "The same six SYNs, but the program has stopped listening before they come.",
                "同样的六个 SYN，但在它们到达之前程序已经停止监听。",
            ),
            change={"listens": 0},
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the answer to the higher number (case a) have now?",
                        "现在对更大的序列号（情形 a）的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="seq+"),
                    lambda _: "A",
                    Text(
                        "Nobody would take the new connection, so TIME-WAIT goes on and answers. (Linux)",
                        "没有程序会接受新连接，所以 TIME-WAIT 继续并作出应答。（Linux）",
                    ),
                    {"time-wait-ends-anyway": lambda _: "RA", "syn-into-nothing": lambda _: ""},
                ),
                Question(
                    "state",
                    Text("And in which state is the kernel then?", "此时内核处于什么状态？"),
                    StateName(),
                    KernelState("seq+"),
                    lambda _: State.TIME_WAIT,
                    Text(
                        "The old connection is still in TIME-WAIT. RFC 9293 3.10.7.4",
                        "旧连接仍处于 TIME-WAIT。RFC 9293 3.10.7.4",
                    ),
                    {"time-wait-ends-anyway": lambda _: State.CLOSED, "syn-opens": lambda _: State.SYN_RECEIVED},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "TIME-WAIT protects against old segments. When is a SYN surely not an old one?",
            "TIME-WAIT 防范旧的报文段。什么时候能确定一个 SYN 不是旧的？",
        ),
        Text(
            "Timestamps never go back. They decide first; the number decides where they do not differ.",
            "时间戳从不后退。先由它决定；没有差别时由序列号决定。",
        ),
        Text(
            "A SYN that may be old gets the last ACK of the old connection again.",
            "可能是旧的 SYN 会再次得到旧连接的最后一个 ACK。",
        ),
    ),
    learned=Text(
        "TIME-WAIT ends early for a SYN that is surely new: by its timestamp, or else by its number.",
        "如果 SYN 确定是新的，TIME-WAIT 就提前结束：先看时间戳，否则看序列号。",
    ),
)
