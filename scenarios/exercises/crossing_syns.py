"""E30: two SYNs cross on the wire."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Flags, SequenceNumber, StateName
from lab.exercise.readings import HowMany, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    peer = lab.peer(to=own.kernel_port, port=own.port, iss=own.x, window_scale=2)
    with lab.crossing():
        peer.send("S")
        client = lab.kernel.connect(to=peer, port=own.kernel_port)
        peer.expect("S", seq=0)
        lab.kernel.expect_state(peer, "SYN-SENT")
    lab.step("SYN+ACK")
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    if own.both:
        lab.step("SYN+ACK, ACK")
        peer.send("SA", seq=0, ack=1)
        peer.expect("A", seq=1, ack=1)
    lab.step("ACK")
    peer.send("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    client.expect_connected()


EXERCISE = Exercise(
    id="E30",
    title=Text("Crossing SYNs", "SYN 交叉"),
    goal=Text(
        "Say how two sides open one connection at the same time.",
        "会说出双方如何同时打开同一个连接。",
    ),
    minutes=10,
    section="RFC 9293 3.5 figure 7, 3.10.7.3",
    article="3.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "port": range(1024, 30000),
        "kernel_port": range(30001, 32000),
        "both": (0,),
    },
    rounds=(
        Round(
            Text(
                "Nobody listens. You connect from port {port} to port {kernel_port}, your SYN has x = {x}. In the same"
                " moment the kernel connects from port {kernel_port} to your port {port}, its SYN has y. The SYNs"
                " cross on"
                " the wire. When the kernel has answered yours, you send a bare ACK.",
                "没有程序监听。你从端口 {port} 连接端口 {kernel_port}，你的 SYN 的序列号为 x = {x}。同一时刻，"
                "内核从端口"
                " {kernel_port} 连接你的端口 {port}，它的 SYN 的序列号为 y。两个 SYN 在线路上交叉。"
                "内核应答你的 SYN 之后，你发送一个不带数据的 ACK。",
            ),
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to your SYN have?",
                        "内核对你的 SYN 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN+ACK"),
                    lambda _: "SA",
                    Text(
                        "Its own SYN once more, now with an ACK of yours. RFC 9293 3.10.7.3 fourth check",
                        "再发一次自己的 SYN，这次带上对你的 SYN 的确认。RFC 9293 3.10.7.3 第四项检查",
                    ),
                    {
                        "crossing-repeats-the-syn": lambda _: "A",
                        "crossing-is-no-refusal": lambda _: "RA",
                        "crossing-is-answered": lambda _: "",
                    },
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN+ACK"),
                    lambda _: At("x", 1),
                    Text(
                        "Your SYN took up one number: x+1. RFC 9293 3.4",
                        "你的 SYN 占用一个序列号：x+1。RFC 9293 3.4",
                    ),
                    {"syn-not-counted": lambda _: At("x", 0), "sides-swapped": lambda _: At("y", 1)},
                ),
                Question(
                    "state",
                    Text(
                        "In which state is the kernel then, before your ACK?",
                        "此时（在你的 ACK 之前）内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("SYN+ACK"),
                    lambda _: State.SYN_RECEIVED,
                    Text(
                        "It has sent a SYN and got one, but no ACK of its own: SYN-RECEIVED, without any listener. RFC"
                        " 9293 3.3.2",
                        "它发送了 SYN，也收到了 SYN，但自己的 SYN 还没有得到确认：SYN-RECEIVED，而且没有监听方。RFC"
                        " 9293 3.3.2",
                    ),
                    {
                        "syn-received-is-for-clients-too": lambda _: State.SYN_SENT,
                        "established-too-early": lambda _: State.ESTABLISHED,
                    },
                ),
                Question(
                    "own_ack",
                    Text(
                        "Which acknowledgment number does your bare ACK have?",
                        "你那个不带数据的 ACK，确认号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "ack", base="y", from_peer=True, step="ACK"),
                    lambda _: At("y", 1),
                    Text(
                        "The SYN+ACK is the kernel's SYN again, with the same number y. So y+1, however often it"
                        " came. RFC"
                        " 9293 3.5 figure 7",
                        "SYN+ACK 就是内核的 SYN 再发一次，序列号仍是 y。所以不论来了几次，都是 y+1。RFC 9293 3.5 图 7",
                    ),
                    {
                        "the-same-syn-again": lambda _: At("y", 2),
                        "syn-not-counted": lambda _: At("y", 0),
                        "sides-swapped": lambda _: At("x", 1),
                    },
                ),
                Question(
                    "segments",
                    Text(
                        "How many segments pass the wire in all, until the connection is open?",
                        "到连接建立为止，一共经过多少个报文段？",
                    ),
                    Count(),
                    HowMany(),
                    lambda _: 4,
                    Text(
                        "SYN, SYN, SYN+ACK, ACK: neither SYN could carry an ACK of the other. RFC 9293 3.5",
                        "SYN、SYN、SYN+ACK、ACK：两个 SYN 都无法携带对另一个的确认。RFC 9293 3.5",
                    ),
                    {"crossing-cannot-merge": lambda _: 3, "two-connections": lambda _: 6},
                ),
            ),
        ),
        Round(
            Text(
                "One thing changes: you answer as in figure 7 of RFC 9293, with SYN+ACK, and send your bare ACK"
                " after the"
                " kernel's answer to that.",
                "只改一处：你按 RFC 9293 图 7 用 SYN+ACK 应答，等内核对它应答之后再发送不带数据的 ACK。",
            ),
            change={"both": 1},
            predict=(
                Question(
                    "answer_now",
                    Text(
                        "Which control bits does this kernel's answer to your SYN+ACK have?",
                        "这个内核对你的 SYN+ACK 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN+ACK, ACK"),
                    lambda _: "A",
                    Text(
                        "Its number x is old by now, and an old segment is answered with ACK. The figure shows no such"
                        " segment, the text demands it. RFC 9293 3.10.7.4 first check",
                        "它的序列号 x 此时已旧，旧的报文段得到 ACK。图中没有这个报文段，正文却要求它。RFC 9293"
                        " 3.10.7.4 第一项检查",
                    ),
                    {
                        "old-segment-gets-an-ack": lambda _: "",
                        "old-segment-is-no-error": lambda _: "R",
                        "the-same-syn-again": lambda _: "SA",
                    },
                ),
                Question(
                    "segments_now",
                    Text("How many segments pass the wire in all now?", "现在一共经过多少个报文段？"),
                    Count(),
                    HowMany(),
                    lambda _: 6,
                    Text(
                        "SYN, SYN, SYN+ACK, SYN+ACK, and one ACK from each side. RFC 9293 3.5, 3.10.7.4",
                        "SYN、SYN、SYN+ACK、SYN+ACK，以及双方各一个 ACK。RFC 9293 3.5、3.10.7.4",
                    ),
                    {"figure-7-is-not-all": lambda _: 4, "both-acks-count": lambda _: 5},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Each side has sent a SYN and gets one without ACK. What does it have to say?",
            "双方都发送了 SYN，又收到一个不带 ACK 的 SYN。必须告诉对方什么？",
        ),
        Text(
            "The answer acknowledges the other SYN and repeats its own, with the number that it had.",
            "应答确认对方的 SYN，并再次携带自己的 SYN，序列号不变。",
        ),
        Text(
            "SYN-SENT, then SYN-RECEIVED, then ESTABLISHED: one connection, and no listener.",
            "SYN-SENT，然后 SYN-RECEIVED，再到 ESTABLISHED：一个连接，没有监听方。",
        ),
    ),
    learned=Text(
        "When SYNs cross, one connection opens, without a listener and with four segments at least: here the two"
        " messages"
        " in the middle cannot be one.",
        "SYN 交叉时会建立一个连接，没有监听方，至少四个报文段：这时中间的两条消息无法合并。",
    ),
)
