"""E01: how many segments a connection takes before anything is sent over it."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count
from lab.exercise.readings import HowMany


def run(lab: Lab, own: Numbers) -> None:
    peer = lab.peer(port=own.port)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    if own.listens:
        peer.send("SA")
        peer.expect("A", seq=1, ack=1)
        client.expect_connected()
    else:
        peer.send("RA", seq=0, ack=1)
        client.expect_connected(error="ECONNREFUSED")


EXERCISE = Exercise(
    id="E01",
    title=Text("What connect() sends", "connect() 发送什么"),
    goal=Text(
        "Say how many segments a connection takes, and who sends them.",
        "会说出建立一个连接需要几个报文段，由谁发送。",
    ),
    minutes=5,
    section="RFC 9293 3.5 figure 6",
    article="3.1",
    run=run,
    draw={"port": range(1024, 30000), "listens": (1,)},
    rounds=(
        Round(
            Text(
                "A program calls connect() to port {port}. Somebody listens there, connect() succeeds, and the program"
                " sends nothing yet. (It does not wait in connect(), so the ladder first shows EINPROGRESS.)",
                "一个程序调用 connect() 连接端口 {port}。那里有程序在监听，connect() 成功，程序还没有发送任何数据。"
                "（它不在 connect() 中等待，所以序列图里先出现 EINPROGRESS。）",
            ),
            predict=(
                Question(
                    "segments",
                    Text(
                        "How many TCP segments pass the wire, in both directions together?",
                        "线路上一共经过多少个 TCP 报文段（两个方向合计）？",
                    ),
                    Count(),
                    HowMany(),
                    lambda _: 3,
                    Text(
                        "SYN, SYN+ACK, ACK: each side announces its first sequence number, and each is acknowledged."
                        " RFC 9293 3.5",
                        "SYN、SYN+ACK、ACK：双方各自告知自己的初始序列号，并且都得到确认。RFC 9293 3.5",
                    ),
                    {
                        "no-data-no-segment": lambda _: 0,
                        "one-request": lambda _: 1,
                        "no-third-segment": lambda _: 2,
                        "syn-and-ack-in-two": lambda _: 4,
                    },
                ),
            ),
            investigate=(
                Question(
                    "sent_by_the_kernel",
                    Text("How many of them has the kernel sent?", "其中有几个是内核发送的？"),
                    Count(),
                    HowMany(from_peer=False),
                    lambda _: 2,
                    Text(
                        "The client sends the first and the third. RFC 9293 3.5",
                        "第一个和第三个由客户端发送。RFC 9293 3.5",
                    ),
                    {"only-the-first-is-the-clients": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "Now nobody listens on port {port}: the other side answers with RST.",
                "现在端口 {port} 上没有程序监听：对端用 RST 应答。",
            ),
            change={"listens": 0},
            hint=Text("Is a reset answered?", "复位会得到应答吗？"),
            predict=(
                Question(
                    "segments_when_refused",
                    Text("How many segments pass the wire now?", "现在线路上一共经过多少个报文段？"),
                    Count(),
                    HowMany(),
                    lambda _: 2,
                    Text(
                        "The SYN and the RST. A reset is never answered, and connect() fails with ECONNREFUSED."
                        " RFC 9293 3.10.7.3",
                        "SYN 和 RST。复位从不会得到应答，connect() 以 ECONNREFUSED 失败。RFC 9293 3.10.7.3",
                    ),
                    {"reset-is-acknowledged": lambda _: 3, "reset-is-silence": lambda _: 1},
                ),
            ),
        ),
    ),
    hints=(
        Text("The article counts them in the heading of chapter 3.", "文章第三章的标题里就有这个数。"),
        Text(
            "Each side sends its first sequence number, and each number has to be acknowledged.",
            "双方都要发送自己的初始序列号，每个序列号都要得到确认。",
        ),
        Text(
            "That would be four messages; one segment carries two of them.",
            "这样一共是四条消息，其中一个报文段携带了两条。",
        ),
    ),
    learned=Text(
        "connect() costs three segments before the first byte; a refusal costs two.",
        "在第一个字节之前，connect() 需要三个报文段；被拒绝时是两个。",
    ),
)
