"""E25: a FIN, a wrong number or a reset in place of the third segment."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x).syn_received()
    lab.step("FIN+ACK")
    peer.send("FA", seq=1, ack=1, payload=b"." * own.length)
    peer.expect("A", seq=1, ack=2 + own.length)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    lab.step("SYN")
    peer = lab.peer(to=server, iss=own.x).syn_received()
    lab.step("ACK")
    peer.send("A", seq=1, ack=own.k)
    peer.expect("R", seq=own.k)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.step("SYN")
    peer = lab.peer(to=server, iss=own.x).syn_received()
    lab.step("RST")
    peer.send("R", seq=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E25",
    title=Text("Instead of the third segment", "代替第三个报文段"),
    goal=Text(
        "Say what the server does with a FIN, a wrong number or a reset in place of the third segment.",
        "会说出如果来的是 FIN、错误的确认号或复位，而不是第三个报文段，服务器会怎样处理。",
    ),
    minutes=12,
    section="RFC 9293 3.5.2, 3.10.7.4",
    article="3.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "k": range(5, 5000),
        "port": range(1024, 30000),
        "carries": (0,),
    },
    derive={"length": lambda own: own.n * own.carries},
    rounds=(
        Round(
            Text(
                "Three clients, each with a SYN x = {x}, have got their SYN+ACK (number y). The first one sends FIN+ACK"
                " as its third segment. The second one sends an ACK with the wrong number y+{k}. The third one sends"
                " RST"
                " with number x+1.",
                "三个客户端都发送了序列号为 x = {x} 的 SYN，并得到 SYN+ACK（序列号为 y）。第一个客户端的第三个报文段是"
                " FIN+ACK。第二个发送 ACK，但确认号错误：y+{k}。第三个发送序列号为 x+1 的 RST。",
            ),
            predict=(
                Question(
                    "fin",
                    Text(
                        "The first client: in which state is the kernel after FIN+ACK?",
                        "第一个客户端：收到 FIN+ACK 之后，内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("FIN+ACK"),
                    lambda _: State.CLOSE_WAIT,
                    Text(
                        "The ACK opens the connection, the FIN in the same segment closes one direction of it. RFC 9293"
                        " 3.10.7.4",
                        "ACK 建立连接，同一报文段里的 FIN 关闭它的一个方向。RFC 9293 3.10.7.4",
                    ),
                    {
                        "fin-in-the-third-segment": lambda _: State.ESTABLISHED,
                        "fin-opens-and-closes": lambda _: State.SYN_RECEIVED,
                        "fin-is-orderly": lambda _: State.CLOSED,
                    },
                ),
                Question(
                    "wrong",
                    Text(
                        "The second client: which control bits does the kernel's answer have?",
                        "第二个客户端：内核的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="ACK"),
                    lambda _: "R",
                    Text(
                        "The ACK acknowledges what was never sent: reset. RFC 9293 3.5.2 group 2",
                        "这个 ACK 确认了从未发送的内容：复位。RFC 9293 3.5.2 第 2 组",
                    ),
                    {
                        "wrong-ack-opens-nothing": lambda _: "A",
                        "wrong-ack-is-answered": lambda _: "",
                        "reset-without-ack": lambda _: "RA",
                    },
                ),
                Question(
                    "seq",
                    Text("And which sequence number?", "序列号是多少？"),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="ACK"),
                    lambda own: At("y", own.k),
                    Text(
                        "The number that the client has named itself: y+{k}. RFC 9293 3.5.2 group 2",
                        "就是客户端自己给出的数：y+{k}。RFC 9293 3.5.2 第 2 组",
                    ),
                    {
                        "reset-takes-the-ack": lambda _: At("y", 1),
                        "counted-twice": lambda own: At("y", own.k + 1),
                    },
                ),
                Question(
                    "after_wrong",
                    Text(
                        "And in which state is the kernel's connection to the second client?",
                        "内核与第二个客户端的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.SYN_RECEIVED,
                    Text(
                        "The request stays. Otherwise anybody could remove it with a guess. RFC 9293 3.5.2 group 2",
                        "请求仍在。否则任何人随便猜一个数就能删掉它。RFC 9293 3.5.2 第 2 组",
                    ),
                    {
                        "reset-is-not-for-oneself": lambda _: State.CLOSED,
                        "wrong-ack-opens-nothing": lambda _: State.ESTABLISHED,
                    },
                ),
                Question(
                    "reset",
                    Text(
                        "The third client: in which state is its connection after RST? (CLOSED if it is gone.)",
                        "第三个客户端：RST 之后它的连接处于什么状态？（如果已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("RST"),
                    lambda _: State.CLOSED,
                    Text(
                        "x+1 is exactly the number that the kernel expects, so it believes the reset. RFC 9293"
                        " 3.10.7.4",
                        "x+1 正是内核期望的序列号，所以它相信这个复位。RFC 9293 3.10.7.4",
                    ),
                    {
                        "exact-reset-is-believed": lambda _: State.SYN_RECEIVED,
                        "back-to-listen": lambda _: State.LISTEN,
                        "reset-waits": lambda _: State.TIME_WAIT,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "One thing changes: the FIN+ACK of the first client also carries {n} bytes.",
                "只改一处：第一个客户端的 FIN+ACK 还携带 {n} 字节。",
            ),
            change={"carries": 1},
            predict=(
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does the kernel's answer to it have?",
                        "内核对它的应答，确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN+ACK"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "One for the SYN, {n} bytes, one for the FIN: x+2+{n}. RFC 9293 3.4",
                        "SYN 占一个，{n} 个字节，FIN 占一个：x+2+{n}。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.n),
                        "data-not-counted": lambda _: At("x", 2),
                        "third-segment-carries-data": lambda _: At("x", 1),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Take each segment field by field: is the acknowledgment number right? What else does it say?",
            "逐个字段地看每个报文段：确认号对吗？它还表示什么？",
        ),
        Text(
            "A right ACK opens the connection, whatever comes with it. A wrong one proves that the sender does not"
            " know y.",
            "正确的 ACK 会建立连接，不论同时带来什么。错误的 ACK 说明发送方不知道 y。",
        ),
        Text(
            "FIN: open and half closed at once. Wrong number: a reset for the sender, and the request stays. Exact RST:"
            " gone.",
            "FIN：连接建立并立即关闭一个方向。错误的确认号：向发送方发复位，请求仍在。准确的 RST：连接消失。",
        ),
    ),
    learned=Text(
        "Only the right acknowledgment number opens a connection; FIN and data in the same segment count at once. A"
        " wrong"
        " number is reset without harm to the request.",
        "只有正确的确认号才能建立连接；同一报文段里的 FIN 和数据立即生效。错误的确认号得到复位，而请求不受影响。",
    ),
)
