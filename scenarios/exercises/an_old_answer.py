"""E28: a client gets an answer to a SYN that it did not send."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    peer = lab.peer(port=own.port, iss=own.y)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.step("SYN+ACK 1")
    peer.send("SA", ack=own.wrong)
    peer.expect("R", seq=own.wrong)
    lab.kernel.expect_state(peer, "SYN-SENT")
    lab.step("SYN+ACK 2")
    peer.send("SA", seq=0, ack=1)
    peer.expect("A", seq=1, ack=1)
    client.expect_connected()
    lab.kernel.expect_state(peer, "ESTABLISHED")


EXERCISE = Exercise(
    id="E28",
    title=Text("An answer to an old SYN", "对旧 SYN 的应答"),
    goal=Text(
        "Say how a client recognizes an answer that is not for its SYN, and what it does.",
        "会说出客户端如何识别不属于自己 SYN 的应答，以及怎样反应。",
    ),
    minutes=8,
    section="RFC 9293 3.5, 3.10.7.3 first check",
    article="3.1",
    run=run,
    draw={
        "y": range(1_000_000_000, 4_000_000_000, 1009),
        "d": range(10, 5000),
        "port": range(1024, 30000),
        "ahead": (0,),
    },
    derive={"wrong": lambda own: 1 + own.d if own.ahead else -own.d},
    rounds=(
        Round(
            Text(
                "The kernel is the client, its SYN has x. You are a server that has also got an old SYN of this"
                " client, and"
                " answer that first: your SYN+ACK has y = {y}, and acknowledges x-{d}. Then you answer the right SYN.",
                "内核是客户端，它的 SYN 的序列号为 x。你是服务器，还收到了这个客户端的一个旧 SYN，并先应答了它："
                "你的 SYN+ACK 的序列号为 y = {y}，确认号为 x-{d}。然后你才应答正确的 SYN。",
            ),
            predict=(
                Question(
                    "flags",
                    Text(
                        "Which control bits does the kernel's answer to the first SYN+ACK have?",
                        "内核对第一个 SYN+ACK 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN+ACK 1"),
                    lambda _: "R",
                    Text(
                        "It acknowledges nothing that this connection has sent. The kernel resets. RFC 9293 3.10.7.3",
                        "它确认的不是这个连接发送过的内容，内核发复位。RFC 9293 3.10.7.3",
                    ),
                    {
                        "client-has-to-refuse": lambda _: "A",
                        "silence-leaves-it-half-open": lambda _: "",
                        "reset-without-ack": lambda _: "RA",
                    },
                ),
                Question(
                    "seq",
                    Text("And which sequence number?", "序列号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "seq", base="x", step="SYN+ACK 1"),
                    lambda own: At("x", -own.d),
                    Text(
                        "That of your own ACK field, x-{d}: the number that a server in your place expects. RFC 9293"
                        " 3.5.2"
                        " group 2",
                        "取自你的确认号字段，x-{d}：处在你位置上的服务器期望的正是它。RFC 9293 3.5.2 第 2 组",
                    ),
                    {
                        "reset-takes-the-ack": lambda _: At("x", 1),
                        "own-number": lambda _: At("x", 0),
                        "sides-swapped": lambda _: At("y", 1),
                    },
                ),
                Question(
                    "state",
                    Text("In which state is the kernel then?", "此时内核处于什么状态？"),
                    StateName(),
                    KernelState("SYN+ACK 1"),
                    lambda _: State.SYN_SENT,
                    Text(
                        "Still SYN-SENT: the wrong answer has not touched its own attempt. RFC 9293 3.10.7.3",
                        "仍是 SYN-SENT：错误的应答没有影响它自己的尝试。RFC 9293 3.10.7.3",
                    ),
                    {
                        "a-reset-sent-ends-nothing": lambda _: State.CLOSED,
                        "any-answer-opens": lambda _: State.ESTABLISHED,
                    },
                ),
                Question(
                    "end",
                    Text(
                        "Then you acknowledge x+1. In which state is the kernel?",
                        "然后你确认 x+1。内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("SYN+ACK 2"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "connect() succeeds, and the program notices nothing. RFC 9293 3.5",
                        "connect() 成功，程序什么也没有察觉。RFC 9293 3.5",
                    ),
                    {
                        "a-reset-sent-ends-nothing": lambda _: State.CLOSED,
                        "right-answer-still-counts": lambda _: State.SYN_SENT,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "One number changes: the first SYN+ACK acknowledges x+1+{d}, which the kernel has not sent yet.",
                "只改一个数：第一个 SYN+ACK 的确认号是 x+1+{d}，内核还没有发送到那里。",
            ),
            change={"ahead": 1},
            predict=(
                Question(
                    "flags_now",
                    Text(
                        "Which control bits does the kernel's answer have now?",
                        "现在内核的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN+ACK 1"),
                    lambda _: "R",
                    Text(
                        "Too large is as wrong as too small: only x+1 is acceptable. RFC 9293 3.10.7.3",
                        "太大与太小一样错误：只有 x+1 可以接受。RFC 9293 3.10.7.3",
                    ),
                    {"too-large-is-wrong-too": lambda _: "A", "silence-leaves-it-half-open": lambda _: ""},
                ),
                Question(
                    "seq_now",
                    Text("And which sequence number?", "序列号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "seq", base="x", step="SYN+ACK 1"),
                    lambda own: At("x", 1 + own.d),
                    Text(
                        "Again that of your ACK field: x+1+{d}. RFC 9293 3.5.2 group 2",
                        "仍取自你的确认号字段：x+1+{d}。RFC 9293 3.5.2 第 2 组",
                    ),
                    {"reset-takes-the-ack": lambda _: At("x", 1), "own-number": lambda _: At("x", 0)},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "The client knows the only acknowledgment number that can be right. Which is it?",
            "客户端知道唯一可能正确的确认号。是哪个？",
        ),
        Text(
            "The server has to be told, with a number that it believes.",
            "必须告诉服务器，而且要用它会相信的序列号。",
        ),
        Text(
            "RST with the number from the ACK field; the client's own SYN still waits for its answer.",
            "RST，序列号取自确认号字段；客户端自己的 SYN 还在等待应答。",
        ),
    ),
    learned=Text(
        "A client accepts one acknowledgment number only. Anything else is reset in the server's own numbers, and the"
        " attempt goes on.",
        "客户端只接受一个确认号。其他的一律复位，序列号取自服务器给出的数，而自己的尝试继续进行。",
    ),
)
