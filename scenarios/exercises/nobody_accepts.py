"""E17: a server that never calls accept()."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Flags, SequenceNumber, StateName
from lab.exercise.readings import Checked, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x).syn_received()
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.step("DATA")
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    if own.closes:
        lab.step("FIN")
        peer.send("FA")
        peer.expect("A", seq=1, ack=2 + own.n)
        lab.kernel.expect_state(peer, "CLOSE-WAIT")
    lab.verify("Recv-Q", own.n + own.closes, lab.kernel.inet_diag(peer).receive_queue)


EXERCISE = Exercise(
    id="E17",
    title=Text("Nobody calls accept()", "没有程序调用 accept()"),
    goal=Text(
        "Say what the kernel does for a connection before the program has accepted it.",
        "会说出在程序接受连接之前，内核已经为它做了什么。",
    ),
    minutes=8,
    section="RFC 9293 3.5, 3.10.7.4",
    article="3.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "closes": (0,),
    },
    rounds=(
        Round(
            Text(
                "A program listens on port {port} and hangs: it never calls accept(). You open the connection (your SYN"
                " has x = {x}) and send {n} bytes.",
                "一个程序在端口 {port} 上监听，但卡住了：它从不调用 accept()。你建立连接（你的 SYN 的序列号为 x ="
                " {x}），"
                "然后发送 {n} 字节。",
            ),
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to your data have?",
                        "内核对你的数据的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="DATA"),
                    lambda _: "A",
                    Text(
                        "The kernel takes the data into its buffer and acknowledges it. No program is asked. RFC 9293"
                        " 3.10.7.4",
                        "内核把数据放进缓冲区并确认，不需要问程序。RFC 9293 3.10.7.4",
                    ),
                    {"program-is-not-asked": lambda _: "", "nobody-accepts-is-no-reset": lambda _: "R"},
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="DATA"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes: all of it, although nobody has read it. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节：虽然没有程序读取，也全部得到确认。RFC 9293 3.4",
                    ),
                    {
                        "ack-is-not-read": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                    },
                ),
                Question(
                    "state",
                    Text("In which state does ss show your connection?", "ss 显示你的连接处于什么状态？"),
                    StateName(),
                    KernelState("DATA"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "The third segment completed the handshake. accept() only hands the connection over. RFC 9293"
                        " 3.5",
                        "第三个报文段完成了握手。accept() 只是把连接交给程序。RFC 9293 3.5",
                    ),
                    {"accept-completes": lambda _: State.SYN_RECEIVED, "no-entry-yet": lambda _: State.LISTEN},
                ),
                Question(
                    "queue",
                    Text(
                        "Which number stands in its column Recv-Q (bytes that no program has read)?",
                        "它的 Recv-Q 一栏（没有程序读取的字节数）是多少？",
                    ),
                    Count(),
                    Checked("Recv-Q"),
                    lambda own: own.n,
                    Text(
                        "All {n} bytes wait in the kernel. A Recv-Q that stays is how one finds a program that hangs."
                        " ss(8)",
                        "{n} 个字节都在内核里等待。Recv-Q 一直不降，说明程序卡住了。ss(8)",
                    ),
                    {"queue-is-in-the-kernel": lambda _: 0, "queue-counts-connections": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "Everything again, and after the data you send FIN. Still nobody calls accept().",
                "重来一次，数据之后你再发送 FIN。仍然没有程序调用 accept()。",
            ),
            change={"closes": 1},
            predict=(
                Question(
                    "ack_of_fin",
                    Text(
                        "Which acknowledgment number does the kernel's answer to your FIN have?",
                        "内核对你的 FIN 的应答，确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "SYN, {n} bytes and FIN: x+2+{n}. RFC 9293 3.4",
                        "SYN、{n} 个字节和 FIN：x+2+{n}。RFC 9293 3.4",
                    ),
                    {"fin-not-counted": lambda own: At("x", 1 + own.n), "ack-is-not-read": lambda _: At("x", 1)},
                ),
                Question(
                    "state_after_fin",
                    Text("In which state is the kernel's side then?", "此时内核这一端处于什么状态？"),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.CLOSE_WAIT,
                    Text(
                        "It waits for a close() of a program that has not even accepted. RFC 9293 3.3.2",
                        "它等待程序调用 close()，而程序连 accept() 都还没有调用。RFC 9293 3.3.2",
                    ),
                    {
                        "fin-waits-for-no-program": lambda _: State.ESTABLISHED,
                        "kernel-does-not-close": lambda _: State.LAST_ACK,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Who does the handshake, and who takes in data: the program or the kernel?",
            "握手由谁完成？数据由谁接收？是程序还是内核？",
        ),
        Text(
            "accept() takes a connection from a queue. The connections in the queue are open.",
            "accept() 从队列里取出一个连接。队列里的连接已经建立。",
        ),
        Text(
            "The kernel acknowledges what it has stored, and Recv-Q counts what nobody has read.",
            "内核确认它已存下的数据，Recv-Q 计算没有程序读取的数据。",
        ),
    ),
    learned=Text(
        "The kernel opens connections, acknowledges data and even a FIN without the program. An ACK never means that"
        " somebody has read.",
        "内核不需要程序就能建立连接、确认数据甚至 FIN。ACK 从不表示有程序读取了数据。",
    ),
)
