"""E52: which forged reset ends a connection."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)
    if own.syn:
        lab.step("SYN")
        peer.send("S", seq=1 + own.n + own.d)
        peer.expect("A", seq=1, ack=1 + own.n)
        lab.kernel.expect_state(peer, "ESTABLISHED")
        return
    lab.step("RST 1")
    peer.send("R", seq=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.step("RST 2")
    peer.send("R", seq=1 + own.n + own.d)
    peer.expect("A", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.step("RST 3")
    peer.send("R", seq=1 + own.n)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E52",
    title=Text("A forged reset", "伪造的复位"),
    goal=Text(
        "Say which forged segment ends a connection, and how RFC 5961 makes that hard.",
        "会说出哪种伪造的报文段能结束连接，以及 RFC 5961 如何使它变难。",
    ),
    minutes=10,
    section="RFC 9293 3.10.7.4 second, fourth; RFC 5961 3.2, 4.2",
    article="3",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "d": range(100, 20_000),
        "port": range(1024, 30000),
        "syn": (0,),
    },
    rounds=(
        Round(
            Text(
                "In the sandbox of the lab: a connection is open, your SYN had x = {x}, and the kernel has acknowledged"
                " {n} bytes of yours. Now somebody forges three resets with your address and ports. The first has the"
                " number x+1, which is old. The second is {d} above the number that the kernel expects next; that lies"
                " within its window. The third has exactly the number that it expects.",
                "在实验的沙箱中：连接已经建立，你的 SYN 的序列号为 x = {x}，内核确认了你的 {n} 字节。"
                "现在有人冒用你的地址和端口伪造三个复位。第一个的序列号是 x+1，已经过时。"
                "第二个比内核期望的下一个序列号大 {d}，在它的窗口之内。第三个的序列号正是它期望的。",
            ),
            predict=(
                Question(
                    "old",
                    Text(
                        "Which control bits does the kernel's answer to the first reset have?",
                        "内核对第一个复位的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="RST 1"),
                    lambda _: "",
                    Text(
                        "A reset outside the window is dropped without a word. RFC 5961 3.2",
                        "窗口之外的复位被静默丢弃。RFC 5961 3.2",
                    ),
                    {"every-reset-is-challenged": lambda _: "A", "reset-is-acknowledged": lambda _: "RA"},
                ),
                Question(
                    "in_window",
                    Text("And to the second one?", "对第二个呢？"),
                    Flags(),
                    OfSegment(1, "flags", step="RST 2"),
                    lambda _: "A",
                    Text(
                        "It may be forged, so the kernel asks: a challenge ACK. RFC 5961 3.2",
                        "它可能是伪造的，所以内核反问：质询 ACK。RFC 5961 3.2",
                    ),
                    {"in-window-is-enough": lambda _: "", "reset-is-acknowledged": lambda _: "RA"},
                ),
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does this answer have?",
                        "这个应答的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="RST 2"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "The number that the kernel expects: x+1+{n}. A real sender can make an exact reset of it; a"
                        " forger does not see it. RFC 5961 3.2",
                        "内核期望的序列号：x+1+{n}。真正的发送方能据此发出精确的复位，伪造者看不到它。RFC 5961 3.2",
                    ),
                    {
                        "forged-number-is-taken": lambda own: At("x", 1 + own.n + own.d),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "data-not-counted": lambda _: At("x", 1),
                    },
                ),
                Question(
                    "state_in_window",
                    Text("In which state is the kernel after the second reset?", "第二个复位之后，内核处于什么状态？"),
                    StateName(),
                    KernelState("RST 2"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "The challenge changes nothing. RFC 5961 3.2",
                        "质询不改变任何状态。RFC 5961 3.2",
                    ),
                    {"in-window-is-enough": lambda _: State.CLOSED, "reset-waits": lambda _: State.TIME_WAIT},
                ),
                Question(
                    "state_exact",
                    Text(
                        "And after the third? (CLOSED if the connection is gone.)",
                        "第三个之后呢？（如果连接已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("RST 3"),
                    lambda _: State.CLOSED,
                    Text(
                        "The exact number ends the connection at once, whoever has sent it. RFC 9293 3.10.7.4",
                        "序列号完全相符的复位立即结束连接，不管是谁发送的。RFC 9293 3.10.7.4",
                    ),
                    {
                        "forgery-is-recognized": lambda _: State.ESTABLISHED,
                        "reset-waits": lambda _: State.TIME_WAIT,
                        "back-to-listen": lambda _: State.LISTEN,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "The forger tries a SYN instead of a reset, {d} above the number that the kernel expects.",
                "伪造者不用复位而用 SYN，序列号比内核期望的大 {d}。",
            ),
            change={"syn": 1},
            predict=(
                Question(
                    "answer_to_syn",
                    Text("Which control bits does the kernel's answer have?", "内核的应答带哪些控制位？"),
                    Flags(),
                    OfSegment(1, "flags", step="SYN"),
                    lambda _: "A",
                    Text(
                        "A challenge ACK again; RFC 793 would have reset the connection. RFC 5961 4.2",
                        "又是质询 ACK；按 RFC 793 会复位连接。RFC 5961 4.2",
                    ),
                    {
                        "syn-in-window-resets": lambda _: "RA",
                        "second-handshake": lambda _: "SA",
                        "nothing-for-a-forger": lambda _: "",
                    },
                ),
                Question(
                    "ack_of_syn",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "The SYN is not acknowledged: x+1+{n}, as before. RFC 5961 4.2",
                        "这个 SYN 没有得到确认：仍然是 x+1+{n}。RFC 5961 4.2",
                    ),
                    {
                        "forged-number-is-taken": lambda own: At("x", 2 + own.n + own.d),
                        "data-not-counted": lambda _: At("x", 1),
                    },
                ),
                Question(
                    "state_after_syn",
                    Text("In which state is the kernel then?", "此时内核处于什么状态？"),
                    StateName(),
                    KernelState("SYN"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "Only an answer with the exact number could end it. RFC 5961 4.2",
                        "只有序列号完全相符的应答才能结束它。RFC 5961 4.2",
                    ),
                    {"syn-in-window-resets": lambda _: State.CLOSED, "second-handshake": lambda _: State.SYN_RECEIVED},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "A forger knows addresses and ports, but sees no segment. What must be guessed?",
            "伪造者知道地址和端口，但看不到任何报文段。还必须猜中什么？",
        ),
        Text(
            "RFC 5961 has three answers: nothing, a question, the end.",
            "RFC 5961 有三种应对：不理会、反问、结束。",
        ),
        Text(
            "Outside: silence. Inside: ACK. Exact: closed.",
            "窗口之外：沉默。窗口之内：ACK。完全相符：关闭。",
        ),
    ),
    learned=Text(
        "Only a reset with exactly the expected number ends a connection. One in the window draws a challenge ACK.",
        "只有序列号完全相符的复位才结束连接。窗口之内的复位引出质询 ACK。",
    ),
)
