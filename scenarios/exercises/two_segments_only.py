"""E29: a server that believes in connections after two segments."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Flags, SequenceNumber
from lab.exercise.readings import Checked, HowMany, OfSegment


def run(lab: Lab, own: Numbers) -> None:
    peers = []
    for _ in range(own.abandoned):
        peer = lab.peer(port=own.port, iss=own.y)
        client = lab.kernel.connect(to=peer)
        peer.expect("S", seq=0)
        client.close()
        lab.kernel.expect_state(peer, "CLOSED")
        peers.append(peer)
    if own.wanted:
        wanted = lab.peer(port=own.port, iss=own.y)
        client = lab.kernel.connect(to=wanted)
        wanted.expect("S", seq=0)
    lab.step("SYN+ACK")
    for peer in peers:
        peer.send("SA")
        peer.expect("R", seq=1)
    if own.wanted:
        lab.step("SYN+ACK, ACK")
        wanted.send("SA")
        wanted.expect("A", seq=1, ack=1)
        client.expect_connected()
        lab.step("DATA")
        wanted.send("PA", payload=b"." * own.n)
        wanted.expect("A", seq=1, ack=1 + own.n)
    believed = own.abandoned + own.wanted  # a two-way server counts each SYN that it has answered
    lab.verify("connections", own.wanted, lab.kernel.count())
    lab.verify("connections without a client", own.abandoned, believed - lab.kernel.count())


EXERCISE = Exercise(
    id="E29",
    title=Text("If two segments were enough", "假如两个报文段就够了"),
    goal=Text(
        "Say what a server would believe that does not wait for the third segment.",
        "会说出一个不等待第三个报文段的服务器会以为自己有什么。",
    ),
    minutes=8,
    section="RFC 9293 3.5, 3.5.1, 3.10.7.1",
    article="3.1",
    run=run,
    draw={
        "y": range(1_000_000_000, 4_000_000_000, 1009),
        "abandoned": range(3, 20),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "wanted": (0,),
    },
    derive={"syns": lambda own: own.abandoned + own.wanted},
    rounds=(
        Round(
            Text(
                "You play a server with a handshake of two segments: for you a connection is ESTABLISHED as soon as you"
                " have answered its SYN with SYN+ACK; a third segment you do not look at. The kernel is the client. Its"
                " program began {abandoned} connections and closed each before an answer came. The network has delayed"
                " their SYNs: now all of them reach you, and you answer each with SYN+ACK.",
                "你扮演一个两次握手的服务器：只要用 SYN+ACK 应答了 SYN，你就认为连接是 ESTABLISHED；"
                "第三个报文段你不看。"
                "内核是客户端。它的程序发起了 {abandoned} 个连接，每个都在收到应答之前就关闭了。网络延迟了这些 SYN："
                "现在它们全部到达，你逐个用 SYN+ACK 应答。",
            ),
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to each SYN+ACK have?",
                        "内核对每个 SYN+ACK 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN+ACK"),
                    lambda _: "R",
                    Text(
                        "The connection is gone, so the SYN+ACK belongs to none: reset. This is the third segment"
                        " that you"
                        " do not look at. RFC 9293 3.10.7.1",
                        "连接已经不存在，这个 SYN+ACK 不属于任何连接：复位。这就是你不看的第三个报文段。RFC 9293"
                        " 3.10.7.1",
                    ),
                    {
                        "closed-attempt-is-gone": lambda _: "A",
                        "closed-still-answers": lambda _: "",
                        "no-fin-before-open": lambda _: "FA",
                    },
                ),
                Question(
                    "seq",
                    Text(
                        "A SYN had x, your SYN+ACK y. Which sequence number does the answer have?",
                        "某个 SYN 的序列号是 x，你的 SYN+ACK 的是 y。应答的序列号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "seq", base="x", step="SYN+ACK"),
                    lambda _: At("x", 1),
                    Text(
                        "The kernel has forgotten x, and takes x+1 from your ACK field. RFC 9293 3.5.2 group 1",
                        "内核已经忘记 x，它从你的确认号字段取得 x+1。RFC 9293 3.5.2 第 1 组",
                    ),
                    {"reset-takes-the-ack": lambda _: At("x", 0), "sides-swapped": lambda _: At("y", 1)},
                ),
                Question(
                    "client",
                    Text(
                        "How many connections does ss show on the client at the end?",
                        "最后，客户端上 ss 显示几个连接？",
                    ),
                    Count(),
                    Checked("connections"),
                    lambda _: 0,
                    Text(
                        "None: all were closed before they were open. RFC 9293 3.10.4",
                        "一个也没有：全都在建立之前就关闭了。RFC 9293 3.10.4",
                    ),
                    {"closed-attempt-is-gone": lambda own: own.abandoned, "one-client-one-connection": lambda _: 1},
                ),
                Question(
                    "zombies",
                    Text(
                        "And how many connections do you, the server, believe to have that no client has?",
                        "而你这个服务器，以为自己有几个其实没有客户端的连接？",
                    ),
                    Count(),
                    Checked("connections without a client"),
                    lambda own: own.abandoned,
                    Text(
                        "All {abandoned}: each old SYN has become a connection that waits for data for ever. RFC 9293"
                        " 3.5",
                        "全部 {abandoned} 个：每个旧 SYN 都成了一个永远等待数据的连接。RFC 9293 3.5",
                    ),
                    {"two-way-server-learns-nothing": lambda _: 0, "one-client-one-connection": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "One SYN more: after the {abandoned} that it gave up, the program begins one that it really wants. You"
                " answer all {syns}, and send {n} bytes on the last one.",
                "再多一个 SYN：在放弃的 {abandoned} 个之后，程序又发起一个真正需要的连接。你应答全部 {syns} 个，"
                "并在最后一个连接上发送 {n} 字节。",
            ),
            change={"wanted": 1},
            predict=(
                Question(
                    "wanted_answer",
                    Text(
                        "Which control bits does the kernel's answer to the last SYN+ACK have?",
                        "内核对最后一个 SYN+ACK 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN+ACK, ACK"),
                    lambda _: "A",
                    Text(
                        "ACK. The third segment tells the wanted connection from the others, to a server that waits for"
                        " it. RFC 9293 3.5",
                        "ACK。第三个报文段区分出真正需要的连接，前提是服务器等待它。RFC 9293 3.5",
                    ),
                    {"each-connection-for-itself": lambda _: "R", "no-third-segment": lambda _: ""},
                ),
                Question(
                    "data_ack",
                    Text(
                        "Which acknowledgment number does the kernel's answer to your {n} bytes have?",
                        "内核对你的 {n} 字节的应答，确认号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "ack", base="y", step="DATA"),
                    lambda own: At("y", 1 + own.n),
                    Text(
                        "y, one for your SYN, {n} bytes: somebody is there to take them. RFC 9293 3.4",
                        "y，你的 SYN 占一个，{n} 个字节：那一端确实有人接收。RFC 9293 3.4",
                    ),
                    {
                        "syn-not-counted": lambda own: At("y", own.n),
                        "data-not-counted": lambda _: At("y", 1),
                        "sides-swapped": lambda own: At("x", 1 + own.n),
                    },
                ),
                Question(
                    "zombies_now",
                    Text(
                        "How many of the {syns} connections in which you believe has no client?",
                        "你以为有 {syns} 个连接，其中几个没有客户端？",
                    ),
                    Count(),
                    Checked("connections without a client"),
                    lambda own: own.abandoned,
                    Text(
                        "Still {abandoned}. From your side all {syns} look the same. RFC 9293 3.5",
                        "仍是 {abandoned} 个。在你看来，{syns} 个都一样。RFC 9293 3.5",
                    ),
                    {
                        "two-way-server-learns-nothing": lambda _: 0,
                        "wanted-is-no-zombie": lambda own: own.abandoned + 1,
                    },
                ),
            ),
            investigate=(
                Question(
                    "resets",
                    Text(
                        "How many resets did the kernel send to you?",
                        "内核向你发送了几个复位？",
                    ),
                    Count(),
                    HowMany(from_peer=False, step="SYN+ACK"),
                    lambda own: own.abandoned,
                    Text(
                        "One for each abandoned connection: {abandoned}. A server that reads them has no such"
                        " connections. RFC 9293 3.5.1",
                        "每个放弃的连接一个：{abandoned} 个。会看复位的服务器就不会有这样的连接。RFC 9293 3.5.1",
                    ),
                    {"wanted-is-no-zombie": lambda own: own.abandoned + 1},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What is left of a connection that was closed before any answer came?",
            "在收到应答之前就关闭的连接，还剩下什么？",
        ),
        Text(
            "The client refuses each answer. Who does not hear that?",
            "客户端拒绝了每个应答。谁没有听到？",
        ),
        Text(
            "Each abandoned SYN gets a reset; without a look at it the server keeps all of them.",
            "每个放弃的 SYN 都得到一个复位；不看复位的服务器会把它们全部留着。",
        ),
    ),
    learned=Text(
        "With two segments each late SYN would leave a connection at the server that no client has. The third segment,"
        " ACK or RST, prevents that.",
        "如果只有两个报文段，每个迟到的 SYN 都会在服务器上留下一个没有客户端的连接。第三个报文段（ACK 或"
        " RST）避免了这一点。",
    ),
)
