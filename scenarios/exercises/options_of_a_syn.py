"""E06: the kernel opens. Control bits, acknowledgment number and options of its segments."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Flags, SequenceNumber, Several, WireNumber
from lab.exercise.readings import OfSegment

OPTIONS = {
    "MSS": Text("MSS: the largest segment that the sender takes", "MSS：发送方能接收的最大报文段"),
    "WScale": Text("window scale", "窗口缩放"),
    "SAckOK": Text("SACK permitted", "允许 SACK"),
    "Timestamp": Text("timestamps", "时间戳"),
    "TFO": Text("a Fast Open cookie", "Fast Open 的 cookie"),
}
WHICH = Several(tuple(OPTIONS.values()))
NAMES = tuple(OPTIONS)


def run(lab: Lab, own: Numbers) -> None:
    if not own.timestamps:
        lab.kernel.sysctl("net.ipv4.tcp_timestamps", 0)
    peer = lab.peer(port=own.port, iss=own.y)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    peer.send("SA")
    peer.expect("A", seq=1, ack=1)
    client.expect_connected()


def options(own: Numbers) -> frozenset[int]:
    return frozenset({0, 1, 2, 3} if own.timestamps else {0, 1, 2})


OFFER = Text(
    "A SYN offers everything that the kernel's settings allow. Only what both SYNs have is used later. RFC 7323 2, 3",
    "SYN 会给出内核设置所允许的全部选项。只有双方的 SYN 都带有的选项之后才会使用。RFC 7323 2, 3",
)

EXERCISE = Exercise(
    id="E06",
    title=Text("The kernel opens a connection", "内核发起连接"),
    goal=Text(
        "Say which control bits, numbers and options the segments of a client have, without looking them up.",
        "不查资料就能说出客户端各报文段的控制位、序列号和选项。",
    ),
    minutes=12,
    section="RFC 9293 3.5 figure 6, 3.2",
    article="3.2",
    run=run,
    draw={"y": range(1_000_000_000, 4_000_000_000, 1009), "port": range(1024, 30000), "timestamps": (1,)},
    rounds=(
        Round(
            Text(
                "A program calls connect() to port {port}. You are the server there: your SYN+ACK has the sequence"
                " number y = {y}. The kernel's own initial sequence number, x, is random.",
                "一个程序调用 connect() 连接端口 {port}。服务器是你：你的 SYN+ACK 的序列号为 y = {y}。"
                "内核自己的初始序列号 x 是随机的。",
            ),
            predict=(
                Question(
                    "syn_flags",
                    Text(
                        "Which control bits does the kernel's first segment have?", "内核的第一个报文段带哪些控制位？"
                    ),
                    Flags(),
                    OfSegment(1, "flags"),
                    lambda _: "S",
                    Text(
                        "The first segment asks for a connection with SYN alone. RFC 9293 3.5",
                        "第一个报文段只用 SYN 请求建立连接。RFC 9293 3.5",
                    ),
                    {"syn-with-ack": lambda _: "SA", "ack-alone-opens-nothing": lambda _: "A"},
                ),
                Question(
                    "syn_options",
                    Text("Which options does the kernel's SYN have?", "内核的 SYN 带哪些选项？"),
                    WHICH,
                    OfSegment(1, "options", among=NAMES),
                    options,
                    OFFER,
                    {
                        "only-mss": lambda _: frozenset({0}),
                        "timestamps-left-out": lambda _: frozenset({0, 1, 2}),
                        "sack-left-out": lambda _: frozenset({0, 1, 3}),
                    },
                ),
                Question(
                    "third_flags",
                    Text(
                        "You answer with SYN+ACK. Which control bits does the kernel's next segment have?",
                        "你用 SYN+ACK 应答。内核的下一个报文段带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(2, "flags"),
                    lambda _: "A",
                    Text("The third segment is a bare ACK. RFC 9293 3.5", "第三个报文段只带 ACK。RFC 9293 3.5"),
                    {"ack-with-syn": lambda _: "SA", "syn-again": lambda _: "S", "no-third-segment": lambda _: ""},
                ),
                Question(
                    "third_ack",
                    Text("And its acknowledgment number?", "它的确认号是多少？"),
                    SequenceNumber("y"),
                    OfSegment(2, "ack", base="y"),
                    lambda _: At("y", 1),
                    Text(
                        "It names the next number that the kernel expects from you: your SYN took up y, so y+1."
                        " RFC 9293 3.4",
                        "它是内核期望从你那里收到的下一个序列号：你的 SYN 占用了 y，所以是 y+1。RFC 9293 3.4",
                    ),
                    {
                        "syn-not-counted": lambda _: At("y", 0),
                        "sides-swapped": lambda _: At("x", 1),
                        "own-number": lambda _: At("x", 0),
                    },
                ),
            ),
            investigate=(
                Question(
                    "header_length",
                    Text(
                        "How many bytes long is the TCP header of the SYN? 20 bytes and the options: MSS takes 4, SACK"
                        " permitted 2, timestamps 10, window scale 3, and each NOP 1.",
                        "SYN 的 TCP 首部有多少字节？20 字节再加上选项：MSS 占 4 字节，允许 SACK 占 2 字节，时间戳占 10"
                        " 字节，窗口缩放占 3 字节，每个 NOP 占 1 字节。",
                    ),
                    Count(),
                    OfSegment(1, "header"),
                    lambda own: 40 if own.timestamps else 32,
                    Text(
                        "MSS 4, SACK permitted 2, timestamps 10, one NOP and window scale 4: 20 bytes of options."
                        " RFC 9293 3.1",
                        "MSS 4 字节，允许 SACK 2 字节，时间戳 10 字节，一个 NOP 加窗口缩放 4 字节：选项共 20 字节。"
                        "RFC 9293 3.1",
                    ),
                    {"options-are-in-the-header": lambda _: 20, "header-in-words": lambda _: 10},
                ),
                Question(
                    "syn_ack_field",
                    Text(
                        "The SYN has no ACK bit, but its header has the field all the same. Which number is in it?",
                        "SYN 没有 ACK 位，但它的首部里仍有确认号字段。里面是多少？",
                    ),
                    WireNumber(),
                    OfSegment(1, "ack"),
                    lambda _: 0,
                    Text(
                        "Without ACK the field means nothing; Linux writes 0. RFC 9293 3.1",
                        "没有 ACK 位时该字段没有意义，Linux 写入 0。RFC 9293 3.1",
                    ),
                    {"field-without-ack": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "One setting changes: sysctl net.ipv4.tcp_timestamps = 0. Otherwise all is as before.",
                "只改一个设置：sysctl net.ipv4.tcp_timestamps = 0。其他都和之前一样。",
            ),
            change={"timestamps": 0},
            hint=Text("Which of the options does this setting switch off?", "这个设置关掉了哪一个选项？"),
            predict=(
                Question(
                    "options_without_timestamps",
                    Text("Which options does the kernel's SYN have now?", "现在内核的 SYN 带哪些选项？"),
                    WHICH,
                    OfSegment(1, "options", among=NAMES),
                    options,
                    OFFER,
                    {
                        "setting-has-no-effect": lambda _: frozenset({0, 1, 2, 3}),
                        "only-mss": lambda _: frozenset({0}),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Read the section on the first segment in the article: which fields does it list?",
            "请读文章中“第一次握手”一节：它列出了哪些字段？",
        ),
        Text(
            "Each side sets SYN once. Each side acknowledges what it has received, from the second segment on.",
            "双方各设置一次 SYN。从第二个报文段起，双方都确认自己收到的内容。",
        ),
        Text(
            "An acknowledgment number is the number received plus what the segment took up. A SYN takes up one.",
            "确认号是收到的序列号加上该报文段占用的个数。SYN 占用一个。",
        ),
    ),
    learned=Text(
        "A client sends SYN with all its offers, and ends the handshake with a bare ACK whose number is y+1.",
        "客户端发送带有全部选项的 SYN，并用确认号为 y+1 的 ACK 结束握手。",
    ),
)
