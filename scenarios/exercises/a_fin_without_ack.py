"""E41: a FIN without the ACK bit."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Errno, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfCall, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)
    lab.step("FIN")
    if own.with_ack:
        peer.send("FA", seq=1 + own.n)
        peer.expect("A", seq=1, ack=2 + own.n)
        lab.kernel.expect_state(peer, "CLOSE-WAIT")
        connection.expect_eof()
        return
    peer.send("F", seq=1 + own.n)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")
    connection.recv(error="EAGAIN")
    lab.step("DATA")
    peer.send("P", seq=1 + own.n, payload=b"." * own.n)
    peer.expect_silence()
    connection.recv(error="EAGAIN")
    lab.kernel.expect_state(peer, "ESTABLISHED")


EXERCISE = Exercise(
    id="E41",
    title=Text("A FIN without ACK", "不带 ACK 的 FIN"),
    goal=Text(
        "Know why a hand-made FIN is ignored, and put it right.",
        "知道自己构造的 FIN 为什么被忽略，并会改正。",
    ),
    minutes=8,
    section="RFC 9293 3.1, 3.10.7.4 fifth",
    article="3",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "with_ack": (0,),
    },
    rounds=(
        Round(
            Text(
                "Your SYN had x = {x}. You have sent {n} bytes, which the program has read. Now you send a segment"
                " with the right sequence number, and with FIN as its only control bit. After it you send {n} more"
                " bytes, in a segment without ACK as well.",
                "你的 SYN 的序列号为 x = {x}。你发送了 {n} 字节，程序已经读取。现在你发送一个报文段，序列号正确，"
                "但控制位只有 FIN。之后你再发送 {n} 字节，这个报文段也不带 ACK。",
            ),
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to the FIN have?",
                        "内核对这个 FIN 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="FIN"),
                    lambda _: "",
                    Text(
                        "A segment without ACK is dropped, and nothing is sent. RFC 9293 3.10.7.4",
                        "不带 ACK 的报文段被丢弃，什么都不发送。RFC 9293 3.10.7.4",
                    ),
                    {
                        "bare-fin-counts": lambda _: "A",
                        "bare-fin-is-reset": lambda _: "R",
                        "closing-by-itself": lambda _: "FA",
                    },
                ),
                Question(
                    "state",
                    Text("In which state is the kernel after it?", "之后内核处于什么状态？"),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "What was dropped changes no state. RFC 9293 3.10.7.4",
                        "被丢弃的报文段不改变状态。RFC 9293 3.10.7.4",
                    ),
                    {
                        "bare-fin-counts": lambda _: State.CLOSE_WAIT,
                        "bare-fin-is-reset": lambda _: State.CLOSED,
                        "closing-by-itself": lambda _: State.LAST_ACK,
                    },
                ),
                Question(
                    "recv",
                    Text(
                        "The program calls recv() without waiting. How does the call end?",
                        "程序调用不等待的 recv()。这个调用的结果是什么？",
                    ),
                    Errno(),
                    OfCall("recv", step="FIN"),
                    lambda _: "EAGAIN",
                    Text(
                        "Nothing has come for the program, neither data nor an end. recv(2)",
                        "没有任何内容到达程序，既没有数据也没有流末尾。recv(2)",
                    ),
                    {"bare-fin-counts": lambda _: "", "bare-fin-is-reset": lambda _: "ECONNRESET"},
                ),
                Question(
                    "data",
                    Text(
                        "And how does recv() end after the {n} bytes without ACK?",
                        "不带 ACK 的 {n} 字节到达之后，recv() 的结果是什么？",
                    ),
                    Errno(),
                    OfCall("recv", step="DATA"),
                    lambda _: "EAGAIN",
                    Text(
                        "Data without ACK is dropped in the same way. RFC 9293 3.10.7.4",
                        "不带 ACK 的数据同样被丢弃。RFC 9293 3.10.7.4",
                    ),
                    {"bare-data-counts": lambda _: "", "bare-fin-is-reset": lambda _: "ECONNRESET"},
                ),
            ),
            investigate=(
                Question(
                    "state_data",
                    Text("In which state was the kernel at the end?", "最后内核处于什么状态？"),
                    StateName(),
                    KernelState("DATA"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "For the kernel nothing has happened. Your side would wait for ever.",
                        "对内核来说什么都没有发生。你这一端会永远等下去。",
                    ),
                    {"bare-fin-counts": lambda _: State.CLOSE_WAIT},
                ),
            ),
        ),
        Round(
            Text(
                "The same FIN, with one more bit: FIN and ACK.",
                "同一个 FIN，只多一位：FIN 和 ACK。",
            ),
            change={"with_ack": 1},
            predict=(
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does the kernel's answer have?",
                        "内核的应答的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes, one for the FIN: x+2+{n}. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节，FIN 占一个：x+2+{n}。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.n),
                        "data-not-counted": lambda _: At("x", 2),
                        "syn-and-fin-not-counted": lambda own: At("x", own.n),
                    },
                ),
                Question(
                    "state_with_ack",
                    Text("And in which state is the kernel?", "内核处于什么状态？"),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.CLOSE_WAIT,
                    Text(
                        "Now it has received a FIN. RFC 9293 3.3.2",
                        "现在它收到了 FIN。RFC 9293 3.3.2",
                    ),
                    {
                        "one-bit-is-no-matter": lambda _: State.ESTABLISHED,
                        "closing-by-itself": lambda _: State.LAST_ACK,
                        "state-of-the-closer": lambda _: State.FIN_WAIT_1,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Which segments of an ordinary connection have no ACK bit?",
            "普通连接中哪些报文段不带 ACK 位？",
        ),
        Text(
            "RFC 9293, 3.10.7.4: if the ACK bit is off, drop the segment and return.",
            "RFC 9293 3.10.7.4：如果没有 ACK 位，就丢弃该报文段并返回。",
        ),
        Text(
            "Dropped means: no answer, no new state, nothing to read.",
            "丢弃的意思是：没有应答，状态不变，没有什么可读。",
        ),
    ),
    learned=Text(
        "In an open connection a segment without ACK does nothing at all, not even cause an answer.",
        "在已建立的连接中，不带 ACK 的报文段什么作用都没有，连应答都不会引起。",
    ),
)
