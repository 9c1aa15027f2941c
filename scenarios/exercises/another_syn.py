"""E31: a SYN with another number during the handshake, and in an open connection."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_invalid_ratelimit", 3_600_000)
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x).syn_received()
    if own.open:
        peer.send("A")
        lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.step("SYN 1")
    peer.send("S", seq=own.d if own.open else -own.d)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED" if own.open else "SYN-RECEIVED")
    lab.step("SYN 2")
    peer.send("S", seq=own.d)
    if own.open:
        peer.expect_silence()
        lab.kernel.expect_state(peer, "ESTABLISHED")
    else:
        peer.expect("RA", ack=1 + own.d)
        lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E31",
    title=Text("Another SYN", "又一个 SYN"),
    goal=Text(
        "Say what a second SYN does to a handshake that is under way, and to an open connection.",
        "会说出第二个 SYN 对进行中的握手和已建立的连接有什么影响。",
    ),
    minutes=12,
    section="RFC 9293 3.10.7.4, RFC 5961 4, 7",
    article="2.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "d": range(10, 5000),
        "port": range(1024, 30000),
        "open": (0,),
    },
    rounds=(
        Round(
            Text(
                "Your SYN had x = {x}, the SYN+ACK (number y) has come, and you have not answered yet. Now two more"
                " SYNs"
                " arrive from your address and port: the first with the older number x-{d}, the second with the newer"
                " number x+{d}.",
                "你的 SYN 的序列号为 x = {x}，SYN+ACK（序列号为 y）已经到了，你还没有应答。这时又有两个 SYN"
                " 从你的地址和端口"
                "到达：第一个的序列号较旧，为 x-{d}；第二个较新，为 x+{d}。",
            ),
            predict=(
                Question(
                    "older",
                    Text(
                        "Which control bits does the answer to the older one (x-{d}) have?",
                        "对较旧的 SYN（x-{d}）的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN 1"),
                    lambda _: "A",
                    Text(
                        "Its number is before the window: an ACK says what is expected, and the SYN bit is not even"
                        " looked"
                        " at. RFC 9293 3.10.7.4 first check",
                        "它的序列号在窗口之前：用 ACK 告诉对方期望什么，连 SYN 位都不看。RFC 9293 3.10.7.4 第一项检查",
                    ),
                    {
                        "new-syn-does-not-replace": lambda _: "SA",
                        "old-segment-gets-an-ack": lambda _: "",
                        "old-segment-is-no-error": lambda _: "RA",
                    },
                ),
                Question(
                    "older_ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN 1"),
                    lambda _: At("x", 1),
                    Text(
                        "What the kernel still expects from your first SYN: x+1. RFC 9293 3.10.7.4",
                        "仍是从你的第一个 SYN 起所期望的：x+1。RFC 9293 3.10.7.4",
                    ),
                    {
                        "ack-names-what-is-expected": lambda own: At("x", 1 - own.d),
                        "syn-not-counted": lambda _: At("x", 0),
                    },
                ),
                Question(
                    "newer",
                    Text(
                        "Which control bits does this kernel's answer to the newer one (x+{d}) have?",
                        "这个内核对较新的 SYN（x+{d}）的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN 2"),
                    lambda _: "RA",
                    Text(
                        "It lies in the window: Linux resets, as RFC 793 demanded. RFC 9293 returns to LISTEN and"
                        " names no"
                        " answer. RFC 9293 3.10.7.4 fourth check",
                        "它落在窗口内：Linux 发复位，与 RFC 793 的要求一样。RFC 9293 回到 LISTEN，没有规定应答。"
                        "RFC 9293 3.10.7.4 第四项检查",
                    ),
                    {"new-syn-does-not-replace": lambda _: "SA", "old-request-is-removed": lambda _: "A"},
                ),
                Question(
                    "newer_ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN 2"),
                    lambda own: At("x", 1 + own.d),
                    Text(
                        "A SYN has no ACK, so its reset acknowledges it: x+{d}+1. RFC 9293 3.5.2 group 1",
                        "SYN 不带 ACK，所以对它的复位要确认它：x+{d}+1。RFC 9293 3.5.2 第 1 组",
                    ),
                    {
                        "reset-answers-the-new-one": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.d),
                    },
                ),
                Question(
                    "state",
                    Text(
                        "In which state is your connection at the end? (CLOSED if there is none.)",
                        "最后你的连接处于什么状态？（如果没有，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("SYN 2"),
                    lambda _: State.CLOSED,
                    Text(
                        "The request is gone; you have to begin again. RFC 9293 3.10.7.4",
                        "请求已经消失；你必须重新开始。RFC 9293 3.10.7.4",
                    ),
                    {
                        "old-request-is-removed": lambda _: State.SYN_RECEIVED,
                        "back-to-listen": lambda _: State.LISTEN,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "One thing changes: you have sent your ACK, and the connection is open. Then two SYNs with number x+{d}"
                " arrive, one right after the other, well within tcp_invalid_ratelimit (half a second by default,"
                " here an"
                " hour).",
                "只改一处：你已经发送 ACK，连接已建立。然后两个序列号为 x+{d} 的 SYN 紧接着到达，间隔远小于"
                " tcp_invalid_ratelimit（默认半秒，这里是一小时）。",
            ),
            change={"open": 1},
            predict=(
                Question(
                    "challenge",
                    Text(
                        "Which control bits does the answer to the first of them have?",
                        "对第一个的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN 1"),
                    lambda _: "A",
                    Text(
                        "A challenge ACK: a client that has really lost everything will answer it with a reset, a"
                        " forger"
                        " cannot. RFC 5961 4.2",
                        "一个质询 ACK：真正失去状态的客户端会用复位应答它，伪造者做不到。RFC 5961 4.2",
                    ),
                    {
                        "syn-is-challenged": lambda _: "RA",
                        "new-syn-does-not-replace": lambda _: "SA",
                        "syn-is-not-ignored": lambda _: "",
                    },
                ),
                Question(
                    "second",
                    Text("And the answer to the second one?", "对第二个的应答呢？"),
                    Flags(),
                    OfSegment(1, "flags", step="SYN 2"),
                    lambda _: "",
                    Text(
                        "None: Linux limits how often such segments are answered, so that nobody can make it send. RFC"
                        " 5961 7",
                        "没有应答：Linux 限制对这类报文段的应答频率，不让别人驱使它发送。RFC 5961 7",
                    ),
                    {"challenges-are-limited": lambda _: "A", "syn-is-challenged": lambda _: "RA"},
                ),
                Question(
                    "open_state",
                    Text("In which state is your connection then?", "此时你的连接处于什么状态？"),
                    StateName(),
                    KernelState("SYN 2"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "ESTABLISHED: a SYN, which anybody can forge, does not end a connection. RFC 5961 4.2",
                        "ESTABLISHED：谁都能伪造的 SYN 不能结束连接。RFC 5961 4.2",
                    ),
                    {
                        "syn-is-challenged": lambda _: State.CLOSED,
                        "new-syn-does-not-replace": lambda _: State.SYN_RECEIVED,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "First the sequence number is checked, then the SYN bit. Which of the SYNs are inside the window?",
            "先检查序列号，再看 SYN 位。哪些 SYN 在窗口之内？",
        ),
        Text(
            "Outside the window: ACK. Inside, the state decides: is the connection open already?",
            "窗口之外：ACK。窗口之内由状态决定：连接已经建立了吗？",
        ),
        Text(
            "During the handshake: reset. In an open connection: a challenge ACK, and not too often.",
            "握手期间：复位。连接已建立：质询 ACK，而且不会太频繁。",
        ),
    ),
    learned=Text(
        "A SYN never replaces a connection. An open one answers with a challenge ACK, at most twice a second by"
        " default;"
        " a handshake under way is reset if the number is in the window.",
        "SYN 从不取代已有的连接。已建立的连接用质询 ACK 应答，默认每秒最多两次；进行中的握手，"
        "如果序列号落在窗口内则被复位。",
    ),
)
