"""E33: what a FIN does before anything is sent back: the state, Recv-Q, and what the program reads."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Flags, SequenceNumber, StateName
from lab.exercise.readings import Checked, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    for attempt in lab.attempts():
        peer = lab.peer(to=server, iss=own.x)
        connection = peer.open()
        peer.send("PA", payload=b"." * own.n)
        peer.expect("A", seq=1, ack=1 + own.n)
        connection.expect_data(b"." * own.n)
        lab.step("FIN")
        with attempt.before("TcpExtDelayedACKs"):
            peer.send("FA")
            lab.kernel.expect_state(peer, "CLOSE-WAIT")
            lab.verify("Recv-Q", 1, lab.kernel.inet_diag(peer).receive_queue)
            if own.reads:
                lab.verify("recv()", 0, len(connection.recv()))
        lab.step("ACK")
        peer.expect("A", seq=1, ack=2 + own.n)
        lab.kernel.expect_state(peer, "CLOSE-WAIT")
        lab.verify("Recv-Q", 1 - own.reads, lab.kernel.inet_diag(peer).receive_queue)


EXERCISE = Exercise(
    id="E33",
    title=Text("Before the FIN is acknowledged", "FIN 得到确认之前"),
    goal=Text(
        "Say in which order state, program and wire notice a FIN.",
        "会说出状态、程序和线路以什么顺序知道收到了 FIN。",
    ),
    minutes=10,
    section="RFC 9293 3.6, 3.8.6.3, 3.10.7.4 eighth",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "reads": (1,),
    },
    rounds=(
        Round(
            Text(
                "You have sent {n} bytes (your SYN had x = {x}); the server's program has read them all. You send FIN."
                " At this moment, before the kernel has sent any segment, somebody runs ss -tan, and the program calls"
                " recv().",
                "你发送了 {n} 字节（你的 SYN 的序列号为 x = {x}），服务器程序已经全部读取。你发送 FIN。"
                "就在这时，内核还没有发出任何报文段，有人运行 ss -tan，程序调用 recv()。",
            ),
            predict=(
                Question(
                    "state",
                    Text("In which state does ss show the connection?", "ss 显示连接处于什么状态？"),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.CLOSE_WAIT,
                    Text(
                        "The state changes when the FIN arrives, not when its ACK leaves. RFC 9293 3.10.7.4",
                        "状态在 FIN 到达时就改变，而不是在 ACK 发出时。RFC 9293 3.10.7.4",
                    ),
                    {
                        "state-waits-for-its-ack": lambda _: State.ESTABLISHED,
                        "closing-by-itself": lambda _: State.LAST_ACK,
                        "state-of-the-closer": lambda _: State.FIN_WAIT_1,
                    },
                ),
                Question(
                    "recv_q",
                    Text(
                        "Before recv(): which number does ss show in the column Recv-Q?",
                        "调用 recv() 之前：ss 的 Recv-Q 一列显示多少？",
                    ),
                    Count(),
                    Checked("Recv-Q", step="FIN"),
                    lambda _: 1,
                    Text(
                        "Linux computes Recv-Q from sequence numbers, and the FIN has taken up one.",
                        "Linux 用序列号计算 Recv-Q，而 FIN 占用了一个序列号。",
                    ),
                    {"recv-q-counts-bytes": lambda _: 0, "read-bytes-stay": lambda own: own.n},
                ),
                Question(
                    "recv",
                    Text("How many bytes does recv() return?", "recv() 返回多少字节？"),
                    Count(),
                    Checked("recv()", step="FIN"),
                    lambda _: 0,
                    Text(
                        "0 is the end of the stream. The program learns of it before your FIN is acknowledged.",
                        "0 表示流末尾。在你的 FIN 得到确认之前，程序就已经知道了。",
                    ),
                    {"fin-is-a-byte": lambda _: 1, "read-bytes-stay": lambda own: own.n},
                ),
                Question(
                    "ack",
                    Text(
                        "Then the kernel sends its ACK. Which acknowledgment number does it have?",
                        "然后内核发送 ACK。它的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="ACK"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes, one for the FIN. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节，FIN 占一个。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.n),
                        "syn-and-fin-not-counted": lambda own: At("x", own.n),
                        "data-not-counted": lambda _: At("x", 2),
                    },
                ),
            ),
            investigate=(
                Question(
                    "recv_q_later",
                    Text("And what was Recv-Q after recv() had returned?", "recv() 返回之后，Recv-Q 是多少？"),
                    Count(),
                    Checked("Recv-Q", step="ACK"),
                    lambda _: 0,
                    Text(
                        "The program has read the end of the stream, so nothing is left to read.",
                        "程序已经读到流末尾，没有剩下什么可读。",
                    ),
                    {"read-bytes-stay": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "Everything as before, but the program sleeps and never calls recv(). You wait.",
                "其他不变，但程序在睡眠，从不调用 recv()。你等待着。",
            ),
            change={"reads": 0},
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's next segment have? (none, if it waits for the program.)",
                        "内核的下一个报文段带哪些控制位？（如果它要等待程序，就写“无”。）",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="ACK"),
                    lambda _: "A",
                    Text(
                        "The kernel acknowledges a FIN by itself; only its own FIN waits for the program. RFC 9293 3.6",
                        "内核自己确认 FIN；只有它自己的 FIN 要等待程序。RFC 9293 3.6",
                    ),
                    {"kernel-waits-for-the-program": lambda _: "", "closing-by-itself": lambda _: "FA"},
                ),
                Question(
                    "state_later",
                    Text("In which state is the connection then?", "此时连接处于什么状态？"),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.CLOSE_WAIT,
                    Text(
                        "CLOSE-WAIT lasts until the program closes, however long. RFC 9293 3.3.2",
                        "CLOSE-WAIT 一直持续到程序关闭连接，不管多久。RFC 9293 3.3.2",
                    ),
                    {
                        "kernel-waits-for-the-program": lambda _: State.ESTABLISHED,
                        "closing-by-itself": lambda _: State.LAST_ACK,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Who needs the ACK, and who needs the news that the stream has ended?",
            "谁需要 ACK？谁需要知道流已经结束？",
        ),
        Text(
            "The ACK of a FIN may be delayed. Nothing else is.",
            "对 FIN 的确认可以延迟，其他的都不延迟。",
        ),
        Text(
            "The FIN takes up a sequence number, but the program reads no byte.",
            "FIN 占用一个序列号，但程序读不到任何字节。",
        ),
    ),
    learned=Text(
        "A FIN changes the state and wakes the program at once. Its ACK may leave later, without any program.",
        "FIN 立即改变状态并通知程序。对它的确认可以晚些发出，不需要任何程序参与。",
    ),
)
