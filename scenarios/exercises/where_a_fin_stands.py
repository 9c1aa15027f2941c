"""E39: a FIN before its data, a FIN with data, and a FIN that does not fit the window."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    if own.full:
        connection.send(b"." * own.m)
        peer.expect("PA", seq=1, ack=1, payload=b"." * own.m)
        peer.send("A", window=0)
        lab.step("FIN")
        connection.shutdown("write")
        lab.kernel.expect_state(peer, "FIN-WAIT-1")
        peer.expect("A", seq=own.m, ack=1)  # the first probe of the window
        lab.step("WINDOW")
        peer.send("A", window=65535)
        peer.expect("FA", seq=1 + own.m, ack=1)
        return
    lab.step("FIN")
    peer.send("FA", seq=1 + own.n)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    connection.recv(error="EAGAIN")
    lab.step("DATA")
    peer.send("PA", seq=1, payload=b"." * own.n)
    peer.expect("A", seq=1, ack=2 + own.n)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    connection.expect_data(b"." * own.n)
    connection.expect_eof()
    lab.step("SYN")
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    lab.step("DATA+FIN")
    peer.send("FPA", payload=b"." * own.m)
    peer.expect("A", seq=1, ack=2 + own.m)
    lab.kernel.expect_state(peer, "CLOSE-WAIT")


EXERCISE = Exercise(
    id="E39",
    title=Text("Where a FIN stands", "FIN 的位置"),
    goal=Text(
        "Treat a FIN as what it is: the last number of a stream, behind all data and within the window.",
        "会把 FIN 看作流的最后一个序列号：排在所有数据之后，并受窗口限制。",
    ),
    minutes=12,
    section="RFC 9293 3.4, 3.8.6.1, 3.10.7.4 eighth",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(20, 700),
        "m": range(701, 1400),
        "port": range(1024, 30000),
        "full": (0,),
    },
    rounds=(
        Round(
            Text(
                "Your SYN has x = {x}. A segment of {n} bytes and your FIN are under way, and the FIN overtakes the"
                " data: its number says that {n} bytes are missing. Then the data arrives. On a second connection with"
                " the same x, {m} bytes and FIN are one segment.",
                "你的 SYN 的序列号为 x = {x}。{n} 字节的报文段和你的 FIN 都在途中，FIN 先到："
                "它的序列号表明缺少 {n} 字节。然后数据到达。"
                "在第二个连接上（x 相同），{m} 字节和 FIN 在同一个报文段里。",
            ),
            predict=(
                Question(
                    "ack_early",
                    Text(
                        "The FIN has come without the data. Which acknowledgment number does the kernel answer with?",
                        "FIN 到了，数据没有到。内核应答的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN"),
                    lambda _: At("x", 1),
                    Text(
                        "The next byte that it expects is still the first: x+1. RFC 9293 3.4",
                        "它期望的下一个字节仍然是第一个：x+1。RFC 9293 3.4",
                    ),
                    {
                        "gap-acknowledged": lambda own: At("x", 2 + own.n),
                        "fin-jumps-the-queue": lambda _: At("x", 2),
                        "syn-not-counted": lambda _: At("x", 0),
                    },
                ),
                Question(
                    "state_early",
                    Text("And in which state is it?", "它处于什么状态？"),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "A FIN takes effect when everything before it has arrived. RFC 9293 3.10.7.4",
                        "FIN 之前的一切都到达之后，它才生效。RFC 9293 3.10.7.4",
                    ),
                    {
                        "fin-jumps-the-queue": lambda _: State.CLOSE_WAIT,
                        "closing-by-itself": lambda _: State.LAST_ACK,
                    },
                ),
                Question(
                    "ack_late",
                    Text(
                        "The data arrives; you do not send the FIN again. Which acknowledgment number does the kernel's"
                        " answer have?",
                        "数据到达了；你没有重传 FIN。内核应答的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="DATA"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "The early FIN was kept, and counts now: x+2+{n}. RFC 9293 3.8.6.3",
                        "先到的 FIN 被保留下来，现在计算在内：x+2+{n}。RFC 9293 3.8.6.3",
                    ),
                    {
                        "early-fin-was-dropped": lambda own: At("x", 1 + own.n),
                        "syn-and-fin-not-counted": lambda own: At("x", own.n),
                        "data-not-counted": lambda _: At("x", 2),
                    },
                ),
                Question(
                    "ack_together",
                    Text(
                        "On the second connection: which acknowledgment number does the kernel's answer have?",
                        "在第二个连接上：内核应答的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="DATA+FIN"),
                    lambda own: At("x", 2 + own.m),
                    Text(
                        "x, one for the SYN, {m} bytes, one for the FIN. RFC 9293 3.4",
                        "x，SYN 占一个，{m} 个字节，FIN 占一个。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.m),
                        "data-not-counted": lambda _: At("x", 2),
                    },
                ),
            ),
            investigate=(
                Question(
                    "state_late",
                    Text("In which state was the kernel when the data had come?", "数据到达之后，内核处于什么状态？"),
                    StateName(),
                    KernelState("DATA"),
                    lambda _: State.CLOSE_WAIT,
                    Text(
                        "With the gap filled the FIN takes effect. RFC 9293 3.10.7.4",
                        "空缺填补之后，FIN 生效。RFC 9293 3.10.7.4",
                    ),
                    {"early-fin-was-dropped": lambda _: State.ESTABLISHED},
                ),
            ),
        ),
        Round(
            Text(
                "Now the server's program closes, with shutdown(SHUT_WR), while your window is zero: it has sent {m}"
                " bytes, and you have acknowledged them with window 0. (As this kernel, Linux 6.18, does it.)",
                "现在由服务器程序调用 shutdown(SHUT_WR) 关闭，而你的窗口为零：它发送了 {m} 字节，你确认时把窗口设为 0。"
                "（以这个内核 Linux 6.18 的行为为准。）",
            ),
            change={"full": 1},
            predict=(
                Question(
                    "first",
                    Text(
                        "Which control bits does the next segment of the kernel have, some 0.2 seconds later?",
                        "大约 0.2 秒之后，内核的下一个报文段带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="FIN"),
                    lambda _: "A",
                    Text(
                        "The FIN does not fit a window of zero, so Linux only probes the window. RFC 9293 3.8.6.1",
                        "窗口为零时放不下 FIN，所以 Linux 只发送窗口探测。RFC 9293 3.8.6.1",
                    ),
                    {"fin-needs-no-window": lambda _: "FA", "zero-window-is-reset": lambda _: "RA"},
                ),
                Question(
                    "state_full",
                    Text("In which state is the kernel meanwhile?", "这期间内核处于什么状态？"),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.FIN_WAIT_1,
                    Text(
                        "Linux changes the state when the program closes, even if the FIN has to wait. RFC 9293 3.10.4",
                        "程序一关闭，Linux 就改变状态，即使 FIN 还要等待。RFC 9293 3.10.4",
                    ),
                    {
                        "state-waits-for-the-wire": lambda _: State.ESTABLISHED,
                        "state-of-the-other-side": lambda _: State.CLOSE_WAIT,
                    },
                ),
                Question(
                    "fin_seq",
                    Text(
                        "You open the window, and the FIN comes. Which sequence number does it have?",
                        "你打开窗口，FIN 到来。它的序列号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="WINDOW"),
                    lambda own: At("y", 1 + own.m),
                    Text(
                        "y, one for the SYN, {m} bytes: y+1+{m}. A probe takes up nothing. RFC 9293 3.4",
                        "y，SYN 占一个，{m} 个字节：y+1+{m}。探测不占用序列号。RFC 9293 3.4",
                    ),
                    {
                        "probe-takes-a-number": lambda own: At("y", 2 + own.m),
                        "syn-not-counted": lambda own: At("y", own.m),
                        "data-not-counted": lambda _: At("y", 1),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What would a receiver read if a FIN counted before the data in front of it?",
            "如果 FIN 在它前面的数据之前生效，接收方会读到什么？",
        ),
        Text(
            "A FIN is like one more byte at the end: it is kept when early, and needs room in the window.",
            "FIN 就像末尾的又一个字节：先到会被保留，也需要窗口中的空间。",
        ),
        Text(
            "An acknowledgment number never jumps over a gap.",
            "确认号从不越过空缺。",
        ),
    ),
    learned=Text(
        "A FIN is the last number of its direction: it waits for the data before it, and for room in the window.",
        "FIN 是它那个方向的最后一个序列号：它要等前面的数据，也要等窗口有空间。",
    ),
)
