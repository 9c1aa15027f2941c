"""E38: which ACK ends FIN-WAIT-1 and LAST-ACK."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, SequenceNumber, StateName
from lab.exercise.readings import Checked, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server)
    connection = peer.open()
    if own.second:
        peer.close_wait()
    connection.send(b"." * own.n)
    peer.expect("PA", seq=1, payload=b"." * own.n)
    connection.shutdown("write")
    peer.expect("FA", seq=1 + own.n)
    lab.step("ACK 1")
    peer.send("A", ack=1 + own.n)
    lab.kernel.expect_state(peer, "LAST-ACK" if own.second else "FIN-WAIT-1")
    lab.verify("Send-Q", 1, lab.kernel.inet_diag(peer).send_queue)
    lab.step("ACK 2")
    peer.send("A", ack=2 + own.n)
    lab.kernel.expect_state(peer, "CLOSED" if own.second else "FIN-WAIT-2")


EXERCISE = Exercise(
    id="E38",
    title=Text("Which ACK counts", "哪个 ACK 才算数"),
    goal=Text(
        "Say which acknowledgment number ends FIN-WAIT-1 and LAST-ACK.",
        "会说出哪个确认号能结束 FIN-WAIT-1 和 LAST-ACK。",
    ),
    minutes=8,
    section="RFC 9293 3.3.2, 3.10.7.4 fifth",
    article="4.1",
    run=run,
    draw={"n": range(10, 1400), "port": range(1024, 30000), "second": (0,)},
    rounds=(
        Round(
            Text(
                "The server's program sends {n} bytes and calls shutdown(SHUT_WR) at once. Two segments come to you:"
                " the data, then the FIN. You have acknowledged nothing yet. Now you acknowledge all bytes of data,"
                " but not the FIN.",
                "服务器程序发送 {n} 字节，立即调用 shutdown(SHUT_WR)。你收到两个报文段：先是数据，然后是 FIN。"
                "你还没有确认任何内容。现在你确认全部数据字节，但不确认 FIN。",
            ),
            predict=(
                Question(
                    "state",
                    Text("In which state is the kernel after your ACK?", "收到你的 ACK 之后，内核处于什么状态？"),
                    StateName(),
                    KernelState("ACK 1"),
                    lambda _: State.FIN_WAIT_1,
                    Text(
                        "FIN-WAIT-1 ends with the ACK of the FIN itself. RFC 9293 3.3.2",
                        "只有对 FIN 本身的确认才结束 FIN-WAIT-1。RFC 9293 3.3.2",
                    ),
                    {
                        "any-ack-counts": lambda _: State.FIN_WAIT_2,
                        "fin-changes-no-state": lambda _: State.ESTABLISHED,
                        "both-have-closed": lambda _: State.TIME_WAIT,
                    },
                ),
                Question(
                    "send_q",
                    Text(
                        "ss shows in Send-Q what is not acknowledged yet. How much is it now?",
                        "ss 的 Send-Q 显示还没有得到确认的量。现在是多少？",
                    ),
                    Count(),
                    Checked("Send-Q", step="ACK 1"),
                    lambda _: 1,
                    Text(
                        "The FIN takes up one sequence number, and that is not acknowledged. RFC 9293 3.4",
                        "FIN 占用一个序列号，它还没有得到确认。RFC 9293 3.4",
                    ),
                    {"send-q-without-fin": lambda _: 0, "all-or-nothing": lambda own: 1 + own.n},
                ),
                Question(
                    "needed",
                    Text(
                        "Your next segment moves the kernel to FIN-WAIT-2. Which acknowledgment number must it have?",
                        "你的下一个报文段让内核进入 FIN-WAIT-2。它的确认号必须是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "ack", base="y", step="ACK 2", from_peer=True),
                    lambda own: At("y", 2 + own.n),
                    Text(
                        "y, one for the SYN, {n} bytes, one for the FIN: y+2+{n}. RFC 9293 3.4",
                        "y，SYN 占一个，{n} 个字节，FIN 占一个：y+2+{n}。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("y", 1 + own.n),
                        "data-not-counted": lambda _: At("y", 2),
                        "sides-swapped": lambda own: At("x", 2 + own.n),
                    },
                ),
            ),
            investigate=(
                Question(
                    "state_2",
                    Text("And in which state was the kernel after that?", "在那之后内核处于什么状态？"),
                    StateName(),
                    KernelState("ACK 2"),
                    lambda _: State.FIN_WAIT_2,
                    Text(
                        "Its FIN is acknowledged, yours has not come. RFC 9293 3.3.2",
                        "它的 FIN 得到了确认，你的还没有到。RFC 9293 3.3.2",
                    ),
                    {"both-have-closed": lambda _: State.TIME_WAIT},
                ),
            ),
        ),
        Round(
            Text(
                "The same, but you have closed first: your FIN was acknowledged before the program sent its {n} bytes"
                " and closed.",
                "其他相同，但你先关闭连接：程序发送 {n} 字节并关闭之前，你的 FIN 已经得到确认。",
            ),
            change={"second": 1},
            predict=(
                Question(
                    "state_last",
                    Text(
                        "In which state is the kernel after the ACK of the data alone?",
                        "只确认数据的 ACK 到达之后，内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("ACK 1"),
                    lambda _: State.LAST_ACK,
                    Text(
                        "The last ACK is that of the FIN; data does not end LAST-ACK. RFC 9293 3.3.2",
                        "最后的 ACK 是对 FIN 的确认；对数据的确认不结束 LAST-ACK。RFC 9293 3.3.2",
                    ),
                    {
                        "any-ack-counts": lambda _: State.CLOSED,
                        "fin-changes-no-state": lambda _: State.CLOSE_WAIT,
                        "second-closer-waits": lambda _: State.TIME_WAIT,
                    },
                ),
                Question(
                    "state_end",
                    Text(
                        "And after the ACK of the FIN? (CLOSED if the connection is gone.)",
                        "确认 FIN 的 ACK 到达之后呢？（如果连接已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("ACK 2"),
                    lambda _: State.CLOSED,
                    Text(
                        "Only the side that closed first waits in TIME-WAIT: here that is you. RFC 9293 3.3.2",
                        "只有先关闭的一方在 TIME-WAIT 中等待：这里是你。RFC 9293 3.3.2",
                    ),
                    {"second-closer-waits": lambda _: State.TIME_WAIT},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Does FIN-WAIT-1 wait for any ACK, or for a certain one?",
            "FIN-WAIT-1 等待的是任意一个 ACK，还是某一个特定的？",
        ),
        Text(
            "The FIN has the number after the last byte of data.",
            "FIN 的序列号排在最后一个数据字节之后。",
        ),
        Text(
            "An ACK of all data is one too low.",
            "只确认全部数据的 ACK 比需要的小一。",
        ),
    ),
    learned=Text(
        "FIN-WAIT-1 and LAST-ACK end with the ACK that covers the FIN, not with an ACK of the data before it.",
        "结束 FIN-WAIT-1 和 LAST-ACK 的是涵盖 FIN 的确认，而不是对它之前数据的确认。",
    ),
)
