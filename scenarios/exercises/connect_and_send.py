"""E23: a program that sends right after connect(): how many segments leave."""

from lab import Connection, Lab, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, SequenceNumber
from lab.exercise.readings import HowMany, OfSegment


def run(lab: Lab, own: Numbers) -> None:
    if own.delays:
        held_back(lab, own)
        return
    peer, client = syn_sent(lab, own)
    peer.send("SA")
    client.expect_connected()
    client.send(b"." * own.n)
    peer.expect("A", seq=1, ack=1)
    peer.expect("PA", seq=1, ack=1, payload=b"." * own.n)


def held_back(lab: Lab, own: Numbers) -> None:
    """The program sends before the delayed ACK is due."""
    for attempt in lab.attempts():
        with attempt.before("TcpExtDelayedACKs"):
            peer, client = syn_sent(lab, own)
            peer.send("SA")
            client.send(b"." * own.n)
        if attempt.late:  # on a busy machine the ACK has left first
            peer.expect("A", seq=1, ack=1)
        peer.expect("PA", seq=1, ack=1, payload=b"." * own.n)


def syn_sent(lab: Lab, own: Numbers) -> tuple[Peer, Connection]:
    """A client of the kernel that has sent its SYN."""
    peer = lab.peer(port=own.port)
    client = lab.kernel.connect(to=peer, options={"TCP_QUICKACK": 0} if own.delays else {})
    peer.expect("S", seq=0)
    lab.step("SYN+ACK")
    return peer, client


EXERCISE = Exercise(
    id="E23",
    title=Text("connect(), then send()", "connect() 之后 send()"),
    goal=Text(
        "Say what a Linux client sends when it has data for the server at once.",
        "会说出 Linux 客户端立即有数据要发送时会发送什么。",
    ),
    minutes=8,
    section="RFC 9293 3.10.7.3, 3.8.6.3",
    article="3.2",
    run=run,
    draw={
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "delays": (0,),
    },
    rounds=(
        Round(
            Text(
                "The kernel is the client; its SYN has x. You answer with SYN+ACK. connect() returns in the program,"
                " which"
                " calls send() with {n} bytes immediately.",
                "内核是客户端，它的 SYN 的序列号为 x。你用 SYN+ACK 应答。程序中 connect() 返回，随即调用 send() 发送"
                " {n} 字节。",
            ),
            predict=(
                Question(
                    "segments",
                    Text(
                        "How many segments does the kernel send after your SYN+ACK, until all {n} bytes are on the"
                        " wire?",
                        "你的 SYN+ACK 之后，内核发送几个报文段，{n} 字节才全部上了线路？",
                    ),
                    Count(),
                    HowMany(from_peer=False, step="SYN+ACK"),
                    lambda _: 2,
                    Text(
                        "The ACK leaves at once, before the program can run. The data follows. RFC 9293 3.10.7.3",
                        "ACK 立即发出，那时程序还来不及运行。数据随后发送。RFC 9293 3.10.7.3",
                    ),
                    {"ack-does-not-wait-for-data": lambda _: 1, "data-needs-one-segment": lambda _: 3},
                ),
                Question(
                    "length",
                    Text(
                        "How many bytes of data does the first of them carry?",
                        "其中第一个携带多少字节数据？",
                    ),
                    Count(),
                    OfSegment(1, "length", step="SYN+ACK"),
                    lambda _: 0,
                    Text(
                        "None: it is the bare third segment of the handshake. RFC 9293 3.5",
                        "没有：它是握手中不带数据的第三个报文段。RFC 9293 3.5",
                    ),
                    {"ack-does-not-wait-for-data": lambda own: own.n},
                ),
                Question(
                    "seq",
                    Text(
                        "Which sequence number does the segment with the data have?",
                        "携带数据的报文段的序列号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(2, "seq", base="x", step="SYN+ACK"),
                    lambda _: At("x", 1),
                    Text(
                        "The bare ACK before it takes up no number, so both have x+1. RFC 9293 3.4",
                        "它之前不带数据的 ACK 不占用序列号，所以两个都是 x+1。RFC 9293 3.4",
                    ),
                    {"ack-takes-a-number": lambda _: At("x", 2), "syn-not-counted": lambda _: At("x", 0)},
                ),
            ),
        ),
        Round(
            Text(
                "One option changes: before connect() the program sets TCP_QUICKACK to 0, so ACKs may be delayed."
                " Again it"
                " calls send() with {n} bytes immediately, well before the delay ends.",
                "只改一个选项：程序在 connect() 之前把 TCP_QUICKACK 设为 0，于是 ACK 可以延迟。它仍然立即调用 send()"
                " 发送"
                " {n} 字节，远在延迟结束之前。",
            ),
            change={"delays": 1},
            predict=(
                Question(
                    "segments_now",
                    Text(
                        "How many segments does the kernel send after your SYN+ACK now?",
                        "现在，你的 SYN+ACK 之后内核发送几个报文段？",
                    ),
                    Count(),
                    HowMany(from_peer=False, step="SYN+ACK"),
                    lambda _: 1,
                    Text(
                        "One: the ACK waits, and the data carries it. RFC 9293 3.8.6.3",
                        "一个：ACK 在等待，由数据携带。RFC 9293 3.8.6.3",
                    ),
                    {"delayed-ack-rides": lambda _: 2, "no-third-segment": lambda _: 0},
                ),
                Question(
                    "length_now",
                    Text("How many bytes of data does its third segment carry?", "它的第三个报文段携带多少字节数据？"),
                    Count(),
                    OfSegment(1, "length", step="SYN+ACK"),
                    lambda own: own.n,
                    Text(
                        "All {n}: the third segment of the handshake may carry data. RFC 9293 3.10.7.3",
                        "全部 {n} 字节：握手的第三个报文段可以携带数据。RFC 9293 3.10.7.3",
                    ),
                    {"third-segment-carries-data": lambda _: 0},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Who answers the SYN+ACK, the kernel or the program? And when?",
            "SYN+ACK 由谁应答，内核还是程序？什么时候？",
        ),
        Text(
            "connect() returns after the kernel has answered. Can send() still change that answer?",
            "内核应答之后 connect() 才返回。send() 还能改变那个应答吗？",
        ),
        Text(
            "By default the ACK leaves alone, then the data. A delayed ACK is carried by the data.",
            "默认情况下 ACK 单独发出，然后是数据。延迟的 ACK 由数据携带。",
        ),
    ),
    learned=Text(
        "By default Linux sends a bare ACK and then the data, without waiting in between. Only with TCP_QUICKACK 0 or"
        " TCP_DEFER_ACCEPT on the client do both leave in one segment.",
        "默认情况下，Linux 先发送不带数据的 ACK，紧接着发送数据，中间不等待。只有在客户端设置 TCP_QUICKACK 为 0 或"
        " TCP_DEFER_ACCEPT，两者才在一个报文段里。",
    ),
)
