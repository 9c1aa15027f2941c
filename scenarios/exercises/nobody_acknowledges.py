"""E42: how often a FIN is sent again, and how the kernel gives up."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Choice, Count, Errno, Flags, SequenceNumber
from lab.exercise.readings import HowMany, KernelTimer, OfCall, OfSegment

TIMERS = ("", "retransmission", "keepalive", "time-wait", "zero-window probe")
AS_SS_HAS_THEM = (
    Text("none", "没有"),
    Text("on", "on"),
    Text("keepalive", "keepalive"),
    Text("timewait", "timewait"),
    Text("persist", "persist"),
)

MOST_RTO_S = 0.25
"""With an RTO from 0.3 s on there would be one retransmission less. It is 0.2 s after short round trips."""


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_orphan_retries", own.orphan_retries)
    lab.kernel.sysctl("net.ipv4.tcp_retries2", own.retries2)
    server = lab.kernel.listen(port=own.port)
    for attempt in lab.attempts():
        peer = lab.peer(to=server, iss=own.x)
        connection = peer.open()
        connection.send(b"." * own.n)
        peer.expect("PA", seq=1, ack=1, payload=b"." * own.n)
        peer.send("A")
        rto = connection.tcp_info()["rto"] / 1e6
        attempt.late = rto > MOST_RTO_S  # the round trips were too slow
    lab.step("FIN")
    if own.owned:
        connection.shutdown("write")
    else:
        connection.close()
    peer.expect("FA", seq=1 + own.n, ack=1)
    lab.kernel.expect_timer(peer, "retransmission", rto)
    lab.step("MUTE")
    peer.expect_retransmissions("FA")
    lab.kernel.expect_state(peer, "CLOSED")
    lab.step("END")
    if own.owned:
        connection.recv(error="ETIMEDOUT")
        return
    peer.send("FA", ack=1 + own.n)
    peer.expect("R", seq=1 + own.n)


EXERCISE = Exercise(
    id="E42",
    title=Text("Nobody acknowledges the FIN", "没有人确认 FIN"),
    goal=Text(
        "Say how often a FIN is sent again, which setting decides that, and what each side learns of the end.",
        "会说出 FIN 重传几次、由哪个设置决定，以及双方如何得知结束。",
    ),
    minutes=12,
    section="RFC 9293 3.8.1, 3.8.3; RFC 6298 5.5",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "orphan_retries": (1,),
        "retries2": (8,),
        "owned": (0,),
    },
    waits=True,
    rounds=(
        Round(
            Text(
                "The server's program has sent {n} bytes, which you have acknowledged, and calls close(). The FIN"
                " comes, and from now on you are mute. net.ipv4.tcp_orphan_retries is {orphan_retries},"
                " net.ipv4.tcp_retries2 is {retries2}. (As this kernel, Linux 6.18, does it.)",
                "服务器程序发送了 {n} 字节，你已经确认，然后它调用 close()。FIN 到来，从此你不再发送任何报文段。"
                "net.ipv4.tcp_orphan_retries 为 {orphan_retries}，net.ipv4.tcp_retries2 为 {retries2}。"
                "（以这个内核 Linux 6.18 的行为为准。）",
            ),
            predict=(
                Question(
                    "seq",
                    Text("Which sequence number does the FIN have?", "这个 FIN 的序列号是多少？"),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="FIN"),
                    lambda own: At("y", 1 + own.n),
                    Text(
                        "y, one for the SYN, {n} bytes: y+1+{n}. Each retransmission has the same. RFC 9293 3.4",
                        "y，SYN 占一个，{n} 个字节：y+1+{n}。每次重传都一样。RFC 9293 3.4",
                    ),
                    {
                        "syn-not-counted": lambda own: At("y", own.n),
                        "data-not-counted": lambda _: At("y", 1),
                    },
                ),
                Question(
                    "again",
                    Text("How many times is it sent again?", "它会重传几次？"),
                    Count(),
                    HowMany(step="MUTE", again=True),
                    lambda _: 2,
                    Text(
                        "tcp_orphan_retries counts for a socket that no program has. Linux turns it into a time,"
                        " counted from the first retransmission: so there is one more. RFC 9293 3.8.3",
                        "没有程序持有的套接字由 tcp_orphan_retries 决定。Linux 把它换算成时间，"
                        "从第一次重传开始计算，所以多一次。RFC 9293 3.8.3",
                    ),
                    {
                        "retries-are-counted": lambda own: own.orphan_retries,
                        "fin-is-sent-once": lambda _: 0,
                        "retries-of-an-owner": lambda own: own.retries2,
                    },
                ),
                Question(
                    "timer",
                    Text("Which timer does ss -o show in FIN-WAIT-1?", "在 FIN-WAIT-1 中，ss -o 显示哪个定时器？"),
                    Choice(AS_SS_HAS_THEM),
                    KernelTimer("FIN", among=TIMERS),
                    lambda _: 1,
                    Text(
                        "FIN-WAIT-1 has no timer of its own: the FIN is retransmitted as data is. RFC 9293 3.8.1",
                        "FIN-WAIT-1 没有专门的定时器：FIN 与数据一样重传。RFC 9293 3.8.1",
                    ),
                    {"fin-is-sent-once": lambda _: 0, "fin-wait-timer": lambda _: 3},
                ),
                Question(
                    "late_fin",
                    Text(
                        "Some time after the last retransmission you speak again, and send your FIN. Which control bits"
                        " does the answer have?",
                        "最后一次重传之后过了一段时间，你又开口，发送自己的 FIN。应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="END"),
                    lambda _: "R",
                    Text(
                        "The kernel has given up without a word, and knows the connection no more. RFC 9293 3.10.7.1",
                        "内核已经放弃，没有通知任何一方，不再知道这个连接。RFC 9293 3.10.7.1",
                    ),
                    {"waits-for-ever": lambda _: "A", "reset-is-silence": lambda _: ""},
                ),
            ),
        ),
        Round(
            Text(
                "The program calls shutdown(SHUT_WR) instead of close(), and waits in recv(). tcp_orphan_retries is"
                " {orphan_retries} now, and tcp_retries2 is {retries2}.",
                "程序用 shutdown(SHUT_WR) 代替 close()，并在 recv() 中等待。"
                "tcp_orphan_retries 现在为 {orphan_retries}，tcp_retries2 为 {retries2}。",
            ),
            change={"owned": 1, "orphan_retries": 8, "retries2": 1},
            predict=(
                Question(
                    "again_owned",
                    Text("How many times is the FIN sent again?", "FIN 会重传几次？"),
                    Count(),
                    HowMany(step="MUTE", again=True),
                    lambda _: 2,
                    Text(
                        "A program has the socket, so tcp_retries2 decides, as it does for data; again there is one"
                        " more. RFC 9293 3.8.3",
                        "有程序持有套接字，所以由 tcp_retries2 决定，与数据一样；同样多一次。RFC 9293 3.8.3",
                    ),
                    {
                        "retries-are-counted": lambda own: own.retries2,
                        "retries-of-an-orphan": lambda own: own.orphan_retries,
                        "fin-is-sent-once": lambda _: 0,
                    },
                ),
                Question(
                    "recv",
                    Text("How does recv() end?", "recv() 的结果是什么？"),
                    Errno(),
                    OfCall("recv", step="END"),
                    lambda _: "ETIMEDOUT",
                    Text(
                        "The program is told that the kernel has given up. RFC 9293 3.8.3",
                        "程序得知内核已经放弃。RFC 9293 3.8.3",
                    ),
                    {"given-up-is-no-end": lambda _: "", "given-up-is-no-reset": lambda _: "ECONNRESET"},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "A FIN takes up a sequence number. What does TCP do with those that are not acknowledged?",
            "FIN 占用一个序列号。对没有得到确认的序列号，TCP 会怎么做？",
        ),
        Text(
            "Who has the socket after close(), and who after shutdown()? There is a setting for each.",
            "close() 之后谁持有套接字？shutdown() 之后呢？两种情况各有一个设置。",
        ),
        Text(
            "On Linux there is one retransmission more than the setting says.",
            "在 Linux 上，重传次数比设置的多一次。",
        ),
    ),
    learned=Text(
        "A FIN is retransmitted like data. After close() tcp_orphan_retries limits that, after shutdown()"
        " tcp_retries2.",
        "FIN 与数据一样重传。close() 之后由 tcp_orphan_retries 限制，shutdown() 之后由 tcp_retries2 限制。",
    ),
)
