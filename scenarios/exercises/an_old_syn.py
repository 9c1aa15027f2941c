"""E27: an old SYN reaches the server before the new one."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    lab.step("SYN 1")
    peer.send("S", seq=-own.d)
    peer.expect("SA", seq=0, ack=1 - own.d)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    if own.resets:
        lab.step("RST")
        peer.send("R", seq=1 - own.d)
        peer.expect_silence()
        lab.kernel.expect_state(peer, "CLOSED")
    lab.step("SYN 2")
    peer.send("S", seq=0)
    if own.resets:
        peer.expect("SA", seq=0, ack=1)
        peer.send("A", seq=1, ack=1)
        lab.kernel.expect_state(peer, "ESTABLISHED")
    else:
        peer.expect("RA", ack=1)
        lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E27",
    title=Text("An old SYN comes first", "旧的 SYN 先到"),
    goal=Text(
        "Explain by the numbers why a handshake has three segments.",
        "能用序列号说明握手为什么需要三个报文段。",
    ),
    minutes=12,
    section="RFC 9293 3.5 figure 8, 3.10.7.4",
    article="3.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "d": range(10, 5000),
        "port": range(1024, 30000),
        "resets": (1,),
    },
    rounds=(
        Round(
            Text(
                "You have sent a SYN long ago, given up, and sent a new SYN with x = {x}. The old one, {d} numbers"
                " earlier, was only late: it reaches the server first. You react as a client of RFC 9293 does. Then the"
                " new SYN arrives too.",
                "你很久以前发送过一个 SYN，后来放弃了，又发送了序列号为 x = {x} 的新 SYN。旧的 SYN（序列号早"
                " {d}）只是迟到了："
                "它先到达服务器。你按 RFC 9293 的客户端那样反应。然后新的 SYN 也到达了。",
            ),
            predict=(
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does the server's answer to the old SYN have?",
                        "服务器对旧 SYN 的应答，确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN 1"),
                    lambda own: At("x", 1 - own.d),
                    Text(
                        "To the server it is a SYN like any other, with number x-{d}. It acknowledges x-{d}+1. RFC 9293"
                        " 3.5",
                        "在服务器看来，这只是一个序列号为 x-{d} 的普通 SYN，确认号是 x-{d}+1。RFC 9293 3.5",
                    ),
                    {
                        "server-cannot-tell-the-age": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", -own.d),
                    },
                ),
                Question(
                    "state",
                    Text("In which state is the server then?", "此时服务器处于什么状态？"),
                    StateName(),
                    KernelState("SYN 1"),
                    lambda _: State.SYN_RECEIVED,
                    Text(
                        "SYN-RECEIVED, for a client that does not want this. Nothing at the server shows that. RFC 9293"
                        " 3.5",
                        "SYN-RECEIVED，而客户端并不想要这个连接。服务器无从得知。RFC 9293 3.5",
                    ),
                    {
                        "two-would-be-too-few": lambda _: State.ESTABLISHED,
                        "server-cannot-tell-the-age": lambda _: State.LISTEN,
                    },
                ),
                Question(
                    "reaction",
                    Text(
                        "Which control bits does your own reaction to this SYN+ACK have?",
                        "你对这个 SYN+ACK 的反应带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", from_peer=True, step="RST"),
                    lambda _: "R",
                    Text(
                        "It acknowledges a number that you have given up. Only you can know that, so you reset. RFC"
                        " 9293"
                        " 3.10.7.3",
                        "它确认的是你已经放弃的序列号。只有你知道这一点，所以你发复位。RFC 9293 3.10.7.3",
                    ),
                    {"client-has-to-refuse": lambda _: "A", "silence-leaves-it-half-open": lambda _: ""},
                ),
                Question(
                    "seq",
                    Text("And which sequence number?", "序列号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "seq", base="x", from_peer=True, step="RST"),
                    lambda own: At("x", 1 - own.d),
                    Text(
                        "The one that the server expects: its own acknowledgment number, x-{d}+1. RFC 9293 3.5.2"
                        " group 2",
                        "服务器期望的那个，即它自己给出的确认号 x-{d}+1。RFC 9293 3.5.2 第 2 组",
                    ),
                    {
                        "reset-has-to-fit": lambda _: At("x", 1),
                        "own-number": lambda _: At("x", 0),
                        "syn-not-counted": lambda own: At("x", -own.d),
                    },
                ),
                Question(
                    "end",
                    Text(
                        "Then the new SYN arrives, and you complete its handshake. In which state is the server?",
                        "然后新的 SYN 到达，你完成它的握手。服务器处于什么状态？",
                    ),
                    StateName(),
                    KernelState("SYN 2"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "The reset has removed the old request, so the new one begins from LISTEN. RFC 9293 3.5"
                        " figure 8",
                        "复位已经删除旧的请求，新的 SYN 从 LISTEN 重新开始。RFC 9293 3.5 图 8",
                    ),
                    {
                        "reset-makes-room": lambda _: State.SYN_RECEIVED,
                        "reset-is-for-the-old-one": lambda _: State.CLOSED,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "One thing changes: your reset is lost. The new SYN, x = {x}, arrives while the server still waits"
                " for the"
                " old one's ACK. This is about Linux: by RFC 9293 the server returns to LISTEN, and no answer is"
                " named.",
                "只改一处：你的复位丢失了。新的 SYN（x = {x}）到达时，服务器还在等待对旧 SYN 的 ACK。"
                "这里问的是 Linux：按 RFC 9293，服务器回到 LISTEN，没有规定应答。",
            ),
            change={"resets": 0},
            predict=(
                Question(
                    "second",
                    Text(
                        "Which control bits does this kernel's answer to the new SYN have?",
                        "这个内核对新 SYN 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN 2"),
                    lambda _: "RA",
                    Text(
                        "The new number lies in the window of the old request: Linux resets, as RFC 793 demanded. RFC"
                        " 9293 3.10.7.4 fourth check",
                        "新的序列号落在旧请求的窗口内：Linux 发复位，与 RFC 793 的要求一样。RFC 9293 3.10.7.4"
                        " 第四项检查",
                    ),
                    {"new-syn-does-not-replace": lambda _: "SA", "old-request-is-removed": lambda _: ""},
                ),
                Question(
                    "second_ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN 2"),
                    lambda _: At("x", 1),
                    Text(
                        "The new SYN has no ACK, so the reset acknowledges it: x+1. RFC 9293 3.5.2 group 1",
                        "新的 SYN 不带 ACK，所以复位要确认它：x+1。RFC 9293 3.5.2 第 1 组",
                    ),
                    {
                        "reset-answers-the-new-one": lambda own: At("x", 1 - own.d),
                        "syn-not-counted": lambda _: At("x", 0),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Which side knows that the SYN is old: the one that receives it, or the one that has sent it?",
            "谁知道这个 SYN 是旧的：收到它的一方，还是发送它的一方？",
        ),
        Text(
            "The server answers with the old number plus one. The client compares that with its own.",
            "服务器用旧序列号加一来应答。客户端把它与自己的序列号比较。",
        ),
        Text(
            "The third segment is the client's say: ACK if the number is right, RST with the server's own number if"
            " not.",
            "第三个报文段是客户端表态的机会：数对就发 ACK，不对就发 RST，序列号取服务器给出的确认号。",
        ),
    ),
    learned=Text(
        "A server cannot tell an old SYN from a new one. The third segment lets the client confirm or refuse: that"
        " is why"
        " there are three.",
        "服务器分不清新旧 SYN。第三个报文段让客户端确认或拒绝：这就是需要三个报文段的原因。",
    ),
)
