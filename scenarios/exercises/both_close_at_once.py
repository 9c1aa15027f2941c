"""E40: two FINs that cross, and a FIN that acknowledges the other."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, SequenceNumber, StateName
from lab.exercise.readings import HowMany, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.m)
    peer.expect("A", seq=1, ack=1 + own.m)
    connection.expect_data(b"." * own.m)
    connection.send(b"." * own.n)
    peer.expect("PA", seq=1, payload=b"." * own.n)
    peer.send("A")
    if own.crossing:
        lab.step("FIN")
        with lab.crossing():
            peer.send("FA")
            connection.close()
            peer.expect("FA", seq=1 + own.n, ack=1 + own.m)
            lab.kernel.expect_state(peer, "FIN-WAIT-1")
        peer.expect("A", seq=2 + own.n, ack=2 + own.m)
        lab.kernel.expect_state(peer, "CLOSING")
    else:
        lab.step("FIN")
        connection.close()
        peer.expect("FA", seq=1 + own.n, ack=1 + own.m)
        lab.kernel.expect_state(peer, "FIN-WAIT-1")
        peer.send("FA", ack=2 + own.n)
        peer.expect("A", seq=2 + own.n, ack=2 + own.m)
        lab.kernel.expect_state(peer, "TIME-WAIT")
        return
    lab.step("ACK")
    peer.send("A")
    lab.kernel.expect_state(peer, "TIME-WAIT")


EXERCISE = Exercise(
    id="E40",
    title=Text("Both close at once", "双方同时关闭"),
    goal=Text(
        "Follow a close in which both FINs cross, with its numbers and states.",
        "会说出两个 FIN 交错时关闭连接的序列号和状态。",
    ),
    minutes=10,
    section="RFC 9293 3.3.2 figure 5, 3.6 case 3, figure 13",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "m": range(20, 700),
        "n": range(701, 1400),
        "port": range(1024, 30000),
        "crossing": (1,),
    },
    rounds=(
        Round(
            Text(
                "Your SYN had x = {x}, the kernel's y. You have sent {m} bytes, the kernel {n}, and all is"
                " acknowledged. Now your side and the server's program close at the same time: each FIN is sent"
                " before the other arrives.",
                "你的 SYN 的序列号为 x = {x}，内核的为 y。你发送了 {m} 字节，内核发送了 {n} 字节，全部得到确认。"
                "现在你和服务器程序同时关闭连接：每个 FIN 都在对方的 FIN 到达之前发出。",
            ),
            predict=(
                Question(
                    "fin_ack",
                    Text(
                        "Which acknowledgment number does the kernel's FIN have?",
                        "内核的 FIN 的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN"),
                    lambda own: At("x", 1 + own.m),
                    Text(
                        "It was sent before your FIN came: x+1+{m}. RFC 9293 3.6 figure 13",
                        "它在你的 FIN 到达之前发出：x+1+{m}。RFC 9293 3.6 图 13",
                    ),
                    {
                        "crossed-is-not-acknowledged": lambda own: At("x", 2 + own.m),
                        "syn-not-counted": lambda own: At("x", own.m),
                        "data-not-counted": lambda _: At("x", 1),
                    },
                ),
                Question(
                    "answer_seq",
                    Text(
                        "Your FIN arrives, and the kernel acknowledges it. Which sequence number does this ACK have?",
                        "你的 FIN 到达，内核确认它。这个 ACK 的序列号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(2, "seq", base="y", step="FIN"),
                    lambda own: At("y", 2 + own.n),
                    Text(
                        "y, one for the SYN, {n} bytes, one for its own FIN: y+2+{n}. RFC 9293 3.4",
                        "y，SYN 占一个，{n} 个字节，它自己的 FIN 占一个：y+2+{n}。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("y", 1 + own.n),
                        "data-not-counted": lambda _: At("y", 2),
                        "other-direction-counted": lambda own: At("y", 2 + own.m),
                    },
                ),
                Question(
                    "state",
                    Text(
                        "Your ACK has not come yet. In which state is the kernel?",
                        "你的 ACK 还没有到。内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.CLOSING,
                    Text(
                        "It has sent a FIN and received one, but its own is not acknowledged: CLOSING. RFC 9293 3.3.2",
                        "它发送了 FIN，也收到了 FIN，但自己的还没有得到确认：CLOSING。RFC 9293 3.3.2",
                    ),
                    {
                        "own-fin-is-not-acknowledged": lambda _: State.TIME_WAIT,
                        "last-ack-is-the-second-closers": lambda _: State.LAST_ACK,
                        "fin-has-come": lambda _: State.FIN_WAIT_2,
                    },
                ),
                Question(
                    "end",
                    Text("And after your ACK?", "你的 ACK 到达之后呢？"),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.TIME_WAIT,
                    Text(
                        "Both sides have closed first, so both wait. RFC 9293 3.6 figure 13",
                        "双方都是先关闭的一方，所以双方都要等待。RFC 9293 3.6 图 13",
                    ),
                    {
                        "nobody-waits": lambda _: State.CLOSED,
                        "last-ack-is-the-second-closers": lambda _: State.LAST_ACK,
                    },
                ),
            ),
            investigate=(
                Question(
                    "segments",
                    Text(
                        "How many segments did the kernel send from its FIN on?",
                        "从它的 FIN 算起，内核发送了几个报文段？",
                    ),
                    Count(),
                    HowMany(from_peer=False, step="FIN"),
                    lambda _: 2,
                    Text(
                        "Its FIN, and the ACK of yours; you did the same. RFC 9293 3.6",
                        "它的 FIN，以及对你的 FIN 的 ACK；你也一样。RFC 9293 3.6",
                    ),
                    {"fin-is-not-acknowledged": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "Almost at once: the server's program closes, its FIN reaches you, and then you close. Your FIN also"
                " acknowledges the kernel's.",
                "几乎同时：服务器程序关闭，它的 FIN 到达你，然后你关闭。你的 FIN 同时确认内核的 FIN。",
            ),
            change={"crossing": 0},
            predict=(
                Question(
                    "segments_2",
                    Text(
                        "How many segments pass the wire from the kernel's FIN on, in both directions together?",
                        "从内核的 FIN 算起，一共经过多少个报文段（两个方向合计）？",
                    ),
                    Count(),
                    HowMany(step="FIN"),
                    lambda _: 3,
                    Text(
                        "FIN, FIN with ACK, ACK. RFC 9293 3.6",
                        "FIN，带 ACK 的 FIN，ACK。RFC 9293 3.6",
                    ),
                    {"four-is-no-law": lambda _: 4, "last-ack-forgotten": lambda _: 2},
                ),
                Question(
                    "state_2",
                    Text(
                        "In which state is the kernel after your FIN?",
                        "收到你的 FIN 之后，内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.TIME_WAIT,
                    Text(
                        "Its FIN is acknowledged and yours is there: from FIN-WAIT-1 straight to TIME-WAIT."
                        " RFC 9293 figure 5 note 2",
                        "它的 FIN 得到了确认，你的也到了：从 FIN-WAIT-1 直接进入 TIME-WAIT。RFC 9293 图 5 注 2",
                    ),
                    {
                        "closing-needs-a-crossing": lambda _: State.CLOSING,
                        "fin-has-come": lambda _: State.FIN_WAIT_2,
                        "nobody-waits": lambda _: State.CLOSED,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What does each side know when it sends its FIN?",
            "双方在发送自己的 FIN 时各知道什么？",
        ),
        Text(
            "Two questions decide the state: has the other FIN come, and is the own one acknowledged?",
            "两个问题决定状态：对方的 FIN 到了吗？自己的 FIN 得到确认了吗？",
        ),
        Text(
            "Come, but not acknowledged: CLOSING. Both: TIME-WAIT.",
            "到了但没有得到确认：CLOSING。两者都有：TIME-WAIT。",
        ),
    ),
    learned=Text(
        "When FINs cross, both sides pass through CLOSING and both end in TIME-WAIT. There is no second closer.",
        "两个 FIN 交错时，双方都经过 CLOSING，最后都进入 TIME-WAIT。没有后关闭的一方。",
    ),
)
