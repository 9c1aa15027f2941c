"""E45: the last ACK is lost. Who speaks next, and what becomes of TIME-WAIT?"""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Flags, SequenceNumber, StateName
from lab.exercise.readings import HowMany, KernelState, KernelTimer, OfSegment
from lab.tcp.state import State
from lab.wire.faults import lost

MINUTE, PAUSE_S = 60, 2


def run(lab: Lab, own: Numbers) -> None:
    if not own.remembers:
        lab.kernel.sysctl("net.ipv4.tcp_max_tw_buckets", 0)
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    connection.send(b"." * own.n)
    peer.expect("PA", seq=1, ack=1, payload=b"." * own.n)
    peer.send("A")
    connection.shutdown("write")
    peer.expect("FA", seq=1 + own.n, ack=1)
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.step("FIN")
    lab.disturb(1, from_kernel=[lost("A")])
    peer.send("FA")
    peer.expect_silence(during=PAUSE_S if own.remembers else 0)
    lab.disturb(1)
    lab.step("FIN 2")
    peer.send("FA", seq=1)
    if own.remembers:
        peer.expect("A", seq=2 + own.n, ack=2)
        lab.kernel.expect_state(peer, "TIME-WAIT")
        lab.kernel.expect_timer(peer, "time-wait", MINUTE)
    else:
        peer.expect("R", seq=2 + own.n)
        lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E45",
    title=Text("The last ACK is lost", "最后一个 ACK 丢失"),
    goal=Text(
        "Say what TIME-WAIT is good for when the last ACK of a close is lost.",
        "会说出关闭连接的最后一个 ACK 丢失时，TIME-WAIT 起什么作用。",
    ),
    minutes=10,
    section="RFC 9293 3.6.1, 3.10.7.4 fifth, eighth",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "remembers": (1,),
    },
    waits=True,
    rounds=(
        Round(
            Text(
                "The server's program has sent {n} bytes and has called shutdown(SHUT_WR) first; you have"
                " acknowledged its FIN. You send your FIN (your SYN had x = {x}, the kernel's y). The kernel answers"
                " with the last ACK, but the wire loses it. You hear nothing for two seconds. Then you send your FIN"
                " again.",
                "服务器程序发送了 {n} 字节，并且先调用 shutdown(SHUT_WR)；你确认了它的 FIN。你发送自己的 FIN"
                "（你的 SYN 的序列号为 x = {x}，内核的为 y）。内核用最后一个 ACK 应答，但它在线路上丢失了。"
                "两秒钟内你什么都没有收到。然后你重传 FIN。",
            ),
            predict=(
                Question(
                    "by_itself",
                    Text(
                        "How many segments does the kernel send from your first FIN until your second one, the lost"
                        " one included?",
                        "从你的第一个 FIN 到第二个 FIN 之间，内核发送几个报文段（包括丢失的那个）？",
                    ),
                    Count(),
                    HowMany(from_peer=False, step="FIN"),
                    lambda _: 1,
                    Text(
                        "An ACK takes up no sequence number, so nobody retransmits it. RFC 9293 3.4",
                        "ACK 不占用序列号，所以没有谁会重传它。RFC 9293 3.4",
                    ),
                    {"ack-is-retransmitted": lambda _: 2, "lost-was-sent": lambda _: 0},
                ),
                Question(
                    "seq",
                    Text(
                        "Your FIN arrives again. Which sequence number does the kernel's answer have?",
                        "你的 FIN 再次到达。内核应答的序列号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="FIN 2"),
                    lambda own: At("y", 2 + own.n),
                    Text(
                        "The same ACK as before: y, one for the SYN, {n} bytes, one for its FIN. RFC 9293 3.10.7.4",
                        "与之前相同的 ACK：y，SYN 占一个，{n} 个字节，它的 FIN 占一个。RFC 9293 3.10.7.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("y", 1 + own.n),
                        "ack-takes-a-number": lambda own: At("y", 3 + own.n),
                        "data-not-counted": lambda _: At("y", 2),
                    },
                ),
                Question(
                    "timer",
                    Text(
                        "TIME-WAIT has run for two seconds. How many seconds does ss -o show right after this answer,"
                        " rounded?",
                        "TIME-WAIT 已经过了两秒。应答刚刚发出后，ss -o 显示多少秒（四舍五入）？",
                    ),
                    Count(),
                    KernelTimer("FIN 2"),
                    lambda _: MINUTE,
                    Text(
                        "A FIN that comes again restarts the timer: a minute. RFC 9293 3.10.7.4",
                        "再次到达的 FIN 使定时器重新开始：一分钟。RFC 9293 3.10.7.4",
                    ),
                    {"timer-goes-on": lambda _: MINUTE - PAUSE_S, "msl-of-the-rfc": lambda _: 240},
                ),
            ),
            investigate=(
                Question(
                    "state",
                    Text("In which state was the kernel afterwards?", "之后内核处于什么状态？"),
                    StateName(),
                    KernelState("FIN 2"),
                    lambda _: State.TIME_WAIT,
                    Text("Still TIME-WAIT. RFC 9293 3.10.7.4", "仍然是 TIME-WAIT。RFC 9293 3.10.7.4"),
                    {"nobody-waits": lambda _: State.CLOSED},
                ),
            ),
        ),
        Round(
            Text(
                "Somebody has done away with TIME-WAIT: net.ipv4.tcp_max_tw_buckets is 0. Again the last ACK is lost,"
                " and you send your FIN again.",
                "有人取消了 TIME-WAIT：net.ipv4.tcp_max_tw_buckets 为 0。最后一个 ACK 又丢失了，你重传 FIN。",
            ),
            change={"remembers": 0},
            predict=(
                Question(
                    "answer",
                    Text("Which control bits does the kernel's answer have?", "内核的应答带哪些控制位？"),
                    Flags(),
                    OfSegment(1, "flags", step="FIN 2"),
                    lambda _: "R",
                    Text(
                        "Without TIME-WAIT the connection is gone, and your orderly close ends in an error."
                        " RFC 9293 3.10.7.1",
                        "没有 TIME-WAIT，连接已经消失，你的正常关闭以错误告终。RFC 9293 3.10.7.1",
                    ),
                    {"waits-for-ever": lambda _: "A", "reset-is-silence": lambda _: ""},
                ),
                Question(
                    "answer_seq",
                    Text("And which sequence number?", "序列号是多少？"),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="FIN 2"),
                    lambda own: At("y", 2 + own.n),
                    Text(
                        "It is taken from your acknowledgment number: y+2+{n}. RFC 9293 3.10.7.1",
                        "取自你的确认号：y+2+{n}。RFC 9293 3.10.7.1",
                    ),
                    {
                        "fin-not-counted": lambda own: At("y", 1 + own.n),
                        "data-not-counted": lambda _: At("y", 2),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text("What is retransmitted, and what is not?", "什么会重传，什么不会？"),
        Text(
            "The kernel cannot know that its ACK was lost. You can.",
            "内核无法知道自己的 ACK 丢失了，而你可以。",
        ),
        Text(
            "A FIN in TIME-WAIT is answered with the last ACK, and the wait begins anew.",
            "在 TIME-WAIT 中收到 FIN，会再次发送最后一个 ACK，并重新开始等待。",
        ),
    ),
    learned=Text(
        "The last ACK is not retransmitted. TIME-WAIT answers the repeated FIN, and begins anew each time.",
        "最后一个 ACK 不会重传。TIME-WAIT 应答重传的 FIN，并且每次都重新开始。",
    ),
)
