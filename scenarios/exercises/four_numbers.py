"""E05: what identifies a connection."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Errno, Flags, SequenceNumber, Several
from lab.exercise.readings import Checked, OfCall, OfSegment, Which

STEPS = ("A", "B", "C", "D", "E")
CHANGES = (
    Text("another port on your side", "你这一端换一个端口"),
    Text("another address on your side", "你这一端换一个地址"),
    Text("another port on the server's side", "服务器一端换一个端口"),
    Text("another address on the server's side", "服务器一端换一个地址"),
    Text("all four as before, and another sequence number", "四项都不变，只换一个序列号"),
)


def run(lab: Lab, own: Numbers) -> None:
    if own.connects:
        run_as_client(lab, own)
        return
    server = lab.kernel.listen(port=own.port)
    first = lab.peer(to=server, port=own.mine, iss=own.x)
    first.open()
    first.send("PA", payload=b"." * own.n)
    first.expect("A", seq=1, ack=1 + own.n)
    others = (
        lab.peer(to=server, port=own.mine + 1, iss=own.x),
        lab.peer(to=server, port=own.mine, iss=own.x, second_address=True),
        lab.peer(to=lab.kernel.listen(port=own.port + 1), port=own.mine, iss=own.x),
        lab.peer(to=lab.kernel.listen(port=own.port, second_address=True), port=own.mine, iss=own.x),
    )
    for step, peer in zip(STEPS, others, strict=False):
        lab.step(step)
        peer.send("S")
        peer.expect("SA", seq=0, ack=1)
    lab.step(STEPS[-1])
    first.send("S", seq=own.later)
    first.expect("A", seq=1, ack=1 + own.n)
    lab.verify("connections in SYN-RECEIVED", 4, lab.kernel.count("SYN-RECEIVED"))


def run_as_client(lab: Lab, own: Numbers) -> None:
    """The kernel connects from one port: to the peer, to the same port of the peer again, and to another port."""
    shared = {"SO_REUSEADDR": 1}
    first, second = lab.peer(port=own.mine), lab.peer(port=own.mine + 1)
    lab.kernel.connect(to=first, port=own.port, options=shared)
    first.open()
    lab.step("AGAIN")
    lab.kernel.connect(to=first, port=own.port, options=shared, error="EADDRNOTAVAIL")
    first.expect_silence()
    lab.step("OTHER")
    client = lab.kernel.connect(to=second, port=own.port, options=shared)
    second.open()
    client.expect_connected()


EXERCISE = Exercise(
    id="E05",
    title=Text("Four numbers", "四元组"),
    goal=Text(
        "Say whether a segment begins a new connection or belongs to one that exists.",
        "会判断一个报文段是开始新连接，还是属于已有的连接。",
    ),
    minutes=10,
    section="RFC 9293 4 (connection, socket), 3.10.7.4; RFC 5961 4.2",
    article="1.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "port": range(1024, 30000),
        "mine": range(40000, 60000),
        "n": range(10, 1000),
        "later": range(2000, 60000),
        "connects": (0,),
    },
    derive={"again": lambda own: (own.x + own.later) % 2**32},
    rounds=(
        Round(
            Text(
                "Your connection from port {mine} to the server's port {port} is open: your SYN had x = {x}, and {n}"
                " bytes were acknowledged. Servers listen on all ports and addresses below. You send five more SYNs."
                " Each differs from your first one in one thing; the last one has the sequence number x+{later} ="
                " {again}.",
                "你从端口 {mine} 到服务器端口 {port} 的连接已经建立：你的 SYN 的序列号为 x = {x}，"
                "{n} 字节已经得到确认。以下所有端口和地址上都有服务器在监听。"
                "你再发送五个 SYN，每个只有一处与第一个不同；最后一个的序列号为 x+{later} = {again}。",
            ),
            predict=(
                Question(
                    "new",
                    Text(
                        "Which of them begin a new connection, so that the kernel answers with SYN+ACK?",
                        "其中哪些会开始新的连接，也就是内核用 SYN+ACK 应答？",
                    ),
                    Several(CHANGES),
                    Which(tuple(OfSegment(1, "flags", step=step) for step in STEPS), "SA"),
                    lambda _: frozenset({0, 1, 2, 3}),
                    Text(
                        "Two addresses and two ports identify a connection. One difference makes another one."
                        " RFC 9293 4",
                        "两个地址和两个端口标识一个连接。任何一项不同就是另一个连接。RFC 9293 4",
                    ),
                    {
                        "sequence-number-identifies": lambda _: frozenset({0, 1, 2, 3, 4}),
                        "only-the-client-counts": lambda _: frozenset({0, 1}),
                        "only-ports-count": lambda _: frozenset({0, 2}),
                    },
                ),
                Question(
                    "flags",
                    Text(
                        "Which control bits does the answer to the last of them have?",
                        "内核对最后一个 SYN 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="E"),
                    lambda _: "A",
                    Text(
                        "A SYN for a connection that is open gets an ACK, which says what the kernel has received."
                        " RFC 9293 3.10.7.4, RFC 5961 4.2",
                        "对已经建立的连接，SYN 得到一个 ACK，说明内核收到了什么。RFC 9293 3.10.7.4, RFC 5961 4.2",
                    ),
                    {
                        "sequence-number-identifies": lambda _: "SA",
                        "second-syn-is-refused": lambda _: "R",
                        "second-syn-is-ignored": lambda _: "",
                    },
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "它的确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="E"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "That of the open connection: x, one for its SYN, {n} bytes. RFC 5961 4.2",
                        "是已有连接的确认号：x，它的 SYN 占一个，再加 {n} 字节。RFC 5961 4.2",
                    ),
                    {
                        "sequence-number-identifies": lambda own: At("x", own.later + 1),
                        "data-not-counted": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                    },
                ),
            ),
            investigate=(
                Question(
                    "half_open",
                    Text(
                        "How many connections are in SYN-RECEIVED at the server now?",
                        "现在服务器上有几个连接处于 SYN-RECEIVED？",
                    ),
                    Count(),
                    Checked("connections in SYN-RECEIVED"),
                    lambda _: 4,
                    Text(
                        "Each new connection is an entry of its own; your first one is ESTABLISHED. RFC 9293 3.10.7.2",
                        "每个新连接都是独立的条目；你的第一个连接处于 ESTABLISHED。RFC 9293 3.10.7.2",
                    ),
                    {"sequence-number-identifies": lambda _: 5, "port-is-no-connection": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "Now the kernel is the client. A program is connected from its port {port} to your port {mine}. With"
                " SO_REUSEADDR, which allows to share a port, it calls connect() twice more from port {port}: to your"
                " port {mine}, and to your next port, where you listen as well.",
                "现在内核是客户端。一个程序已经从端口 {port} 连接到你的端口 {mine}。"
                "它设置了允许共用端口的 SO_REUSEADDR，又从端口 {port} 调用两次 connect()：一次连接你的端口 {mine}，"
                "一次连接你的下一个端口，那里你也在监听。",
            ),
            change={"connects": 1},
            hint=Text(
                "Which of the four numbers differ from those of the connection that is open?",
                "四项中有哪些与已经建立的连接不同？",
            ),
            predict=(
                Question(
                    "connect_again",
                    Text(
                        "How does the connect() to your port {mine} end?",
                        "连接你的端口 {mine} 的 connect() 结果是什么？",
                    ),
                    Errno(),
                    OfCall("connect", step="AGAIN"),
                    lambda _: "EADDRNOTAVAIL",
                    Text(
                        "All four numbers are those of a connection that exists, so there is no address left for this"
                        " one. connect(2)",
                        "四项都与已有的连接相同，所以没有可用的地址给这个连接。connect(2)",
                    ),
                    {
                        "same-four-twice": lambda _: "",
                        "port-in-use": lambda _: "EADDRINUSE",
                        "refused-by-the-other-side": lambda _: "ECONNREFUSED",
                    },
                ),
                Question(
                    "connect_other",
                    Text(
                        "And how does the connect() to your other port end, when you have answered?",
                        "连接另一个端口的 connect()，在你应答之后结果是什么？",
                    ),
                    Errno(),
                    OfCall("connect", step="OTHER"),
                    lambda _: "",
                    Text(
                        "One of the four numbers differs: another connection. RFC 9293 4",
                        "四项中有一项不同：这是另一个连接。RFC 9293 4",
                    ),
                    {"port-in-use": lambda _: "EADDRINUSE", "port-is-no-connection": lambda _: "EADDRNOTAVAIL"},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "The article first lists what describes a connection, and then what identifies it. These are not the same.",
            "文章先列出描述一个连接的要素，然后说明什么标识一个连接。两者并不相同。",
        ),
        Text(
            "Which fields of the IP and TCP headers does the kernel need to find the entry of a segment?",
            "内核根据 IP 首部和 TCP 首部的哪些字段来查找报文段所属的条目？",
        ),
        Text(
            "Two addresses and two ports. A sequence number is content of the entry.",
            "两个地址和两个端口。序列号是条目里的内容。",
        ),
    ),
    learned=Text(
        "Four numbers identify a connection, two addresses and two ports. Sequence numbers do not.",
        "四项标识一个连接：两个地址和两个端口。序列号不在其中。",
    ),
)
