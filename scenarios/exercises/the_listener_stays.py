"""E15: what ss shows between the first and the third segment."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    lab.step("SYN")
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    lab.kernel.expect_state(server, "LISTEN")
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    if own.acknowledges:
        lab.step("ACK")
        peer.send("A")
        lab.kernel.expect_state(peer, "ESTABLISHED")
    else:
        lab.step("RST")
        peer.send("R")
        lab.kernel.expect_state(server, "LISTEN")
        lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E15",
    title=Text("Listener and connection", "监听方与连接"),
    goal=Text(
        "Read in ss which sockets a server has during a handshake, and in which states.",
        "能从 ss 中读出握手期间服务器有哪些套接字，各处于什么状态。",
    ),
    minutes=10,
    section="RFC 9293 3.3.2, 3.5",
    article="3.2",
    run=run,
    draw={"x": range(100_000_000, 4_000_000_000, 997), "port": range(1024, 30000), "acknowledges": (1,)},
    rounds=(
        Round(
            Text(
                "A program listens on port {port} and never calls accept(). Your SYN has x = {x}; the kernel answers"
                " it."
                " Then, before your third segment, somebody runs ss -tan, which lists the sockets and their states.",
                "一个程序在端口 {port} 上监听，但从不调用 accept()。你的 SYN 的序列号为 x = {x}，内核已经应答。"
                "这时，在你的第三个报文段之前，有人运行 ss -tan，它会列出套接字及其状态。",
            ),
            predict=(
                Question(
                    "listener",
                    Text("In which state does ss show the listener?", "ss 显示监听方处于什么状态？"),
                    StateName(),
                    KernelState("SYN", listener=True),
                    lambda _: State.LISTEN,
                    Text(
                        "A SYN makes a new entry beside the listener, which goes on to listen. RFC 9293 3.10.7.2",
                        "SYN 会在监听方旁边产生一个新条目，监听方继续监听。RFC 9293 3.10.7.2",
                    ),
                    {
                        "listener-changes": lambda _: State.SYN_RECEIVED,
                        "listener-connects": lambda _: State.ESTABLISHED,
                    },
                ),
                Question(
                    "connection",
                    Text("And in which state is your connection?", "你的连接处于什么状态？"),
                    StateName(),
                    KernelState("SYN"),
                    lambda _: State.SYN_RECEIVED,
                    Text(
                        "The kernel has received a SYN, and its own is not acknowledged yet: SYN-RECEIVED, in ss"
                        " SYN-RECV. RFC 9293 3.3.2",
                        "内核收到了 SYN，而自己的 SYN 还没有得到确认：SYN-RECEIVED，ss 中写作 SYN-RECV。RFC 9293 3.3.2",
                    ),
                    {
                        "established-too-early": lambda _: State.ESTABLISHED,
                        "state-of-the-client": lambda _: State.SYN_SENT,
                        "no-entry-yet": lambda _: State.LISTEN,
                    },
                ),
                Question(
                    "after_third",
                    Text(
                        "Your third segment arrives. The program still has not called accept(). In which state is your"
                        " connection?",
                        "你的第三个报文段到达了。程序仍然没有调用 accept()。你的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "The kernel does the handshake. accept() only takes a finished connection out of a queue."
                        " RFC 9293 3.5",
                        "握手由内核完成。accept() 只是从队列中取出已经建立的连接。RFC 9293 3.5",
                    ),
                    {"accept-completes": lambda _: State.SYN_RECEIVED},
                ),
            ),
            investigate=(
                Question(
                    "answer",
                    Text(
                        "Which acknowledgment number did your SYN get in the answer?",
                        "应答中对你的 SYN 的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x"),
                    lambda _: At("x", 1),
                    Text("A SYN takes up one: x+1. RFC 9293 3.4", "SYN 占用一个：x+1。RFC 9293 3.4"),
                    {"syn-not-counted": lambda _: At("x", 0)},
                ),
            ),
        ),
        Round(
            Text(
                "Again a SYN and its answer. But instead of the third segment you send a reset.",
                "又是一个 SYN 和它的应答。但你不发送第三个报文段，而是发送复位。",
            ),
            change={"acknowledges": 0},
            hint=Text("What is left of a connection after a reset?", "复位之后，连接还剩下什么？"),
            predict=(
                Question(
                    "connection_after_reset",
                    Text(
                        "In which state is your connection then? (CLOSED if ss shows none.)",
                        "此时你的连接处于什么状态？（如果 ss 中没有它，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("RST"),
                    lambda _: State.CLOSED,
                    Text(
                        "The entry is deleted. The arrow from SYN-RECEIVED to LISTEN in the RFC means this: the"
                        " listener"
                        " was there all the time. RFC 9293 3.10.7.4",
                        "该条目被删除。RFC 中从 SYN-RECEIVED 到 LISTEN 的箭头就是这个意思：监听方一直都在。"
                        "RFC 9293 3.10.7.4",
                    ),
                    {
                        "back-to-listen": lambda _: State.LISTEN,
                        "reset-is-silence": lambda _: State.SYN_RECEIVED,
                        "reset-waits": lambda _: State.TIME_WAIT,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "How would a server take a second client during the first handshake?",
            "在第一次握手期间，服务器如何接待第二个客户端？",
        ),
        Text(
            "The listener is one entry, each connection another one, with its own state.",
            "监听方是一个条目，每个连接是另一个条目，有自己的状态。",
        ),
        Text(
            "After the SYN+ACK the kernel has received your SYN; nothing has acknowledged its own.",
            "发出 SYN+ACK 之后，内核已经收到你的 SYN，而它自己的 SYN 还没有得到确认。",
        ),
    ),
    learned=Text(
        "A listener stays in LISTEN. Each connection is an entry of its own, and the kernel completes it without"
        " accept().",
        "监听方始终处于 LISTEN。每个连接都是独立的条目，内核不需要 accept() 就能建立它。",
    ),
)
