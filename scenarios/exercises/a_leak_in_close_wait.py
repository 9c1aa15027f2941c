"""E51: a program that does not close, and what becomes of its data."""

from lab import Connection, Lab, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Choice, Count, Errno, Flags, SequenceNumber, StateName
from lab.exercise.readings import Checked, KernelState, KernelTimer, OfCall, OfSegment
from lab.tcp.state import State

TIMERS = ("", "retransmission", "keepalive", "time-wait", "zero-window probe")
AS_SS_HAS_THEM = (
    Text("none", "没有"),
    Text("on", "on"),
    Text("keepalive", "keepalive"),
    Text("timewait", "timewait"),
    Text("persist", "persist"),
)


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    left: list[tuple[Peer, Connection]] = []
    for _ in range(own.k):
        peer = lab.peer(to=server, iss=own.x)
        connection = peer.open()
        peer.send("PA", payload=b"." * own.n)
        peer.expect("A", seq=1, ack=1 + own.n)
        connection.expect_data(b"." * own.n)
        peer.send("FA")
        peer.expect("A", seq=1, ack=2 + own.n)
        lab.kernel.expect_state(peer, "CLOSE-WAIT")
        left.append((peer, connection))
    peer, connection = left[0]
    lab.step("CLOSE-WAIT")
    lab.verify("CLOSE-WAIT", own.k, lab.kernel.count("CLOSE-WAIT"))
    lab.kernel.expect_timer(peer, "")
    lab.step("send()" if not own.closes else "close()")
    if own.closes:
        connection.close()
        peer.expect("FA", seq=1, ack=2 + own.n)
        peer.send("R", seq=2 + own.n)
        lab.kernel.expect_state(peer, "CLOSED")
        lab.verify("CLOSE-WAIT", own.k - 1, lab.kernel.count("CLOSE-WAIT"))
        return
    connection.send(b"." * own.m)
    peer.expect("PA", seq=1, ack=2 + own.n, payload=b"." * own.m)
    lab.step("RST")
    peer.send("R", seq=2 + own.n)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")
    lab.step("send() 2")
    connection.send("?", error="EPIPE")


EXERCISE = Exercise(
    id="E51",
    title=Text("A leak in CLOSE-WAIT", "CLOSE-WAIT 泄漏"),
    goal=Text(
        "Recognize a program that forgets to close, and say what happens to what it still sends.",
        "会识别忘记关闭连接的程序，并说出它之后发送的数据会怎样。",
    ),
    minutes=10,
    section="RFC 9293 3.3.2, 3.6 case 2, 3.10.4; RFC 1122 4.2.2.13",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 700),
        "m": range(701, 1400),
        "k": range(3, 9),
        "port": range(1024, 30000),
        "closes": (0,),
    },
    rounds=(
        Round(
            Text(
                "{k} clients have connected, sent {n} bytes each and closed; the kernel has acknowledged data and FIN."
                " The server's program has read the bytes and forgotten all {k} sockets. More than a minute later the"
                " clients' kernels have forgotten the connections too: their FIN-WAIT-2 has ended. (The lab does not"
                " wait for that: you play such a client.) Then, for the first of them, the program sends {m} bytes, and"
                " you answer as a host does that has no such connection. After that the program sends again.",
                "{k} 个客户端各自建立连接，发送 {n} 字节，然后关闭；内核确认了数据和 FIN。"
                "服务器程序读取了这些字节，却忘记了全部 {k} 个套接字。"
                "一分多钟之后，客户端的内核也忘记了这些连接：它们的 FIN-WAIT-2 已经结束。"
                "（实验不等这么久：由你扮演这样的客户端。）"
                "然后程序在第一个连接上发送 {m} 字节，你像没有这个连接的主机那样应答。之后程序再次发送。",
            ),
            predict=(
                Question(
                    "count",
                    Text(
                        "How many connections are in CLOSE-WAIT at the server before it sends?",
                        "发送之前，服务器上有多少个连接处于 CLOSE-WAIT？",
                    ),
                    Count(),
                    Checked("CLOSE-WAIT", step="CLOSE-WAIT"),
                    lambda own: own.k,
                    Text(
                        "Each missing close() is one of them. RFC 9293 3.6",
                        "每缺少一次 close() 就有一个。RFC 9293 3.6",
                    ),
                    {"kernel-cleans-up": lambda _: 0, "one-for-the-program": lambda _: 1},
                ),
                Question(
                    "timer",
                    Text("Which timer does ss -o show for them?", "ss -o 对它们显示哪个定时器？"),
                    Choice(AS_SS_HAS_THEM),
                    KernelTimer("CLOSE-WAIT", among=TIMERS),
                    lambda _: 0,
                    Text(
                        "None: CLOSE-WAIT waits for the program, and for nothing else. RFC 9293 3.3.2",
                        "没有：CLOSE-WAIT 只等待程序，不等待其他。RFC 9293 3.3.2",
                    ),
                    {"kernel-cleans-up": lambda _: 3, "keepalive-by-default": lambda _: 2},
                ),
                Question(
                    "first_send",
                    Text("How does the first send() end?", "第一次 send() 的结果是什么？"),
                    Errno(),
                    OfCall("send", step="send()"),
                    lambda _: "",
                    Text(
                        "send() only puts bytes into the kernel's buffer. What becomes of them shows later. send(2)",
                        "send() 只把字节放进内核的缓冲区，结果之后才知道。send(2)",
                    ),
                    {"send-waits-for-the-ack": lambda _: "ECONNRESET", "error-comes-at-once": lambda _: "EPIPE"},
                ),
                Question(
                    "ack",
                    Text(
                        "Your SYN had x = {x}. Which acknowledgment number does the segment with these bytes have?",
                        "你的 SYN 的序列号为 x = {x}。携带这些字节的报文段的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="send()"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes, one for the FIN: the server still knows everything."
                        " RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节，FIN 占一个：服务器仍然知道一切。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.n),
                        "data-not-counted": lambda _: At("x", 2),
                        "own-bytes-counted": lambda own: At("x", 2 + own.n + own.m),
                    },
                ),
                Question(
                    "second_send",
                    Text("And how does the second send() end?", "第二次 send() 的结果是什么？"),
                    Errno(),
                    OfCall("send", step="send() 2"),
                    lambda _: "EPIPE",
                    Text(
                        "Your reset has ended the connection; after a FIN Linux says EPIPE. RFC 9293 3.10.7.4",
                        "你的复位结束了连接；因为之前收到过 FIN，Linux 返回 EPIPE。RFC 9293 3.10.7.4",
                    ),
                    {"errors-are-forgotten": lambda _: "", "reset-by-peer": lambda _: "ECONNRESET"},
                ),
            ),
            investigate=(
                Question(
                    "state",
                    Text(
                        "In which state was that connection after your reset? (CLOSED if it is gone.)",
                        "你的复位之后，那个连接处于什么状态？（如果已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("RST"),
                    lambda _: State.CLOSED,
                    Text("A reset ends it at once. RFC 9293 3.10.7.4", "复位立即结束它。RFC 9293 3.10.7.4"),
                    {"reset-waits": lambda _: State.TIME_WAIT},
                ),
            ),
        ),
        Round(
            Text(
                "The same leak, but the program is mended: instead of sending it calls close() for the first of the {k}"
                " connections, a minute late.",
                "同样的泄漏，但程序改好了：它不再发送，而是对 {k} 个连接中的第一个调用 close()，晚了一分钟。",
            ),
            change={"closes": 1},
            predict=(
                Question(
                    "flags",
                    Text("Which control bits does the kernel's segment have?", "内核的报文段带哪些控制位？"),
                    Flags(),
                    OfSegment(1, "flags", step="close()"),
                    lambda _: "FA",
                    Text(
                        "The FIN that was missing all the time; that nobody waits for it is unknown here. RFC 9293 3.6",
                        "一直缺少的那个 FIN；已经没有谁在等它，这里并不知道。RFC 9293 3.6",
                    ),
                    {"close-is-reset": lambda _: "RA", "late-close-is-silent": lambda _: ""},
                ),
                Question(
                    "count_after",
                    Text(
                        "You answer it with a reset. How many connections are in CLOSE-WAIT then?",
                        "你用复位应答它。此时有多少个连接处于 CLOSE-WAIT？",
                    ),
                    Count(),
                    Checked("CLOSE-WAIT", step="close()"),
                    lambda own: own.k - 1,
                    Text(
                        "One close() ends one of them. RFC 9293 3.6",
                        "一次 close() 结束其中一个。RFC 9293 3.6",
                    ),
                    {"one-close-for-all": lambda _: 0, "close-came-too-late": lambda own: own.k},
                ),
            ),
        ),
    ),
    hints=(
        Text("What does CLOSE-WAIT wait for?", "CLOSE-WAIT 在等待什么？"),
        Text(
            "The server's kernel cannot know that the client has forgotten. Who tells it, and when?",
            "服务器的内核无法知道客户端已经忘记。谁会告诉它？什么时候？",
        ),
        Text(
            "The first send() succeeds, its segment is answered with RST, and the second fails.",
            "第一次 send() 成功，它的报文段得到 RST，第二次失败。",
        ),
    ),
    learned=Text(
        "CLOSE-WAIT without end is a program that does not call close(). No timer helps, and late data gets a reset.",
        "没完没了的 CLOSE-WAIT 是程序没有调用 close()。没有定时器能帮忙，迟到的数据会得到复位。",
    ),
)
