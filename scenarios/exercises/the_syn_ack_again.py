"""E16: a SYN+ACK that nobody answers is sent again, and then the request is forgotten."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Flags, SequenceNumber, StateName
from lab.exercise.readings import HowMany, KernelState, OfSegment, SentAgainAfter
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_synack_retries", own.retries)
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    lab.step("SYN")
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    if own.retries == 1:
        peer.expect_retransmissions("SA")  # ends with the request
        lab.kernel.expect_state(peer, "CLOSED")
    else:
        peer.expect_retransmissions("SA", count=2)
        lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.step("ACK")
    peer.send("A", seq=1, ack=1)
    if own.retries == 1:
        peer.expect("R", seq=1)
    else:
        lab.kernel.expect_state(peer, "ESTABLISHED")


EXERCISE = Exercise(
    id="E16",
    title=Text("The SYN+ACK, again", "再发一次 SYN+ACK"),
    goal=Text(
        "Say how long a server remembers a client that does not answer, and what the client gets afterwards.",
        "会说出服务器把没有应答的客户端记住多久，以及此后客户端会得到什么。",
    ),
    minutes=10,
    section="RFC 9293 3.8.1, 3.5.1, RFC 6298 2.1, 5.5",
    article="3.2",
    run=run,
    waits=True,
    draw={"x": range(100_000_000, 4_000_000_000, 997), "port": range(1024, 30000), "retries": (1,)},
    rounds=(
        Round(
            Text(
                "On the server tcp_synack_retries is {retries} (5 by default). You send a SYN with x = {x}, and nothing"
                " more: the SYN+ACK comes, and you stay silent. More than 3 seconds later you send the missing ACK"
                " after all.",
                "服务器上 tcp_synack_retries 为 {retries}（默认为 5）。你发送 SYN，序列号为 x = {x}，之后什么也不发："
                "收到 SYN+ACK 后你保持沉默。3 秒多以后，你才补发缺少的 ACK。",
            ),
            predict=(
                Question(
                    "copies",
                    Text(
                        "How often does the kernel send its SYN+ACK again, the first one not counted?",
                        "内核重传几次 SYN+ACK（第一次发送不算）？",
                    ),
                    Count(),
                    HowMany(again=True),
                    lambda own: own.retries,
                    Text(
                        "As often as tcp_synack_retries says: {retries}. RFC 9293 3.8.1",
                        "次数由 tcp_synack_retries 决定：{retries} 次。RFC 9293 3.8.1",
                    ),
                    {"syn-ack-is-not-repeated": lambda _: 0, "setting-has-no-effect": lambda _: 5},
                ),
                Question(
                    "first",
                    Text(
                        "After how many seconds is it sent again for the first time? (Whole seconds.)",
                        "几秒之后第一次重传？（整秒）",
                    ),
                    Count(),
                    SentAgainAfter(1),
                    lambda _: 1,
                    Text(
                        "Without a measured round trip the timeout is one second. RFC 6298 2.1",
                        "还没有测得往返时间时，超时是 1 秒。RFC 6298 2.1",
                    ),
                    {"timeout-of-the-old-rfc": lambda _: 3, "timeout-without-a-measurement": lambda _: 0},
                ),
                Question(
                    "state",
                    Text(
                        "In which state is your connection on the server just before your late ACK? (CLOSED if there"
                        " is none.)",
                        "在你迟到的 ACK 之前，服务器上你的连接处于什么状态？（如果没有这个连接，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("SYN"),
                    lambda _: State.CLOSED,
                    Text(
                        "After the last retransmission Linux waits as long as for another one, here until 3 s after"
                        " the first. Then it forgets the request without a word. RFC 9293 3.8.3",
                        "最后一次重传之后，Linux 再等一个超时，这里是第一次发送之后大约 3 秒。"
                        "然后它不发任何报文段就忘掉请求。"
                        "RFC 9293 3.8.3",
                    ),
                    {"request-for-ever": lambda _: State.SYN_RECEIVED, "back-to-listen": lambda _: State.LISTEN},
                ),
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to your late ACK have?",
                        "内核对你迟到的 ACK 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="ACK"),
                    lambda _: "R",
                    Text(
                        "The ACK belongs to no connection: reset. You were ESTABLISHED and the server knew nothing: a"
                        " half-open connection. RFC 9293 3.5.1, 3.5.2 group 1",
                        "这个 ACK 不属于任何连接：复位。你处于 ESTABLISHED，服务器却一无所知：这是半打开连接。"
                        "RFC 9293 3.5.1、3.5.2 第 1 组",
                    ),
                    {
                        "ack-alone-opens-nothing": lambda _: "SA",
                        "reset-is-silence": lambda _: "",
                        "reset-without-ack": lambda _: "RA",
                    },
                ),
            ),
            investigate=(
                Question(
                    "seq",
                    Text(
                        "The SYN+ACK had the sequence number y. Which one does the reset have?",
                        "SYN+ACK 的序列号是 y。复位的序列号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="ACK"),
                    lambda _: At("y", 1),
                    Text(
                        "The server no longer knows y. It takes the number from your ACK field: y+1. RFC 9293 3.5.2"
                        " group 1",
                        "服务器已经不知道 y。它从你的确认号字段取得这个数：y+1。RFC 9293 3.5.2 第 1 组",
                    ),
                    {"reset-takes-the-ack": lambda _: At("y", 0), "sides-swapped": lambda _: At("x", 1)},
                ),
            ),
        ),
        Round(
            Text(
                "One number changes: tcp_synack_retries is {retries}. You stay silent as before, and send the ACK at"
                " the same moment: 3 seconds have just passed.",
                "只改一个数：tcp_synack_retries 为 {retries}。你和刚才一样保持沉默，也在同一时刻发送 ACK：3 秒刚过。",
            ),
            change={"retries": 2},
            predict=(
                Question(
                    "second",
                    Text(
                        "How many seconds after the first SYN+ACK is it sent again for the second time?",
                        "第一个 SYN+ACK 之后几秒，内核第二次重传？",
                    ),
                    Count(),
                    SentAgainAfter(2),
                    lambda _: 3,
                    Text(
                        "The timeout doubles: 1 s, then 2 s more. RFC 6298 5.5",
                        "超时会加倍：先是 1 秒，然后再过 2 秒。RFC 6298 5.5",
                    ),
                    {"timeout-doubles": lambda _: 2, "doubled-from-the-start": lambda _: 4},
                ),
                Question(
                    "opened",
                    Text(
                        "In which state is your connection on the server after your ACK?",
                        "你的 ACK 到达之后，服务器上你的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "One retransmission more is also 4 seconds more in which the server remembers you. RFC 9293"
                        " 3.10.7.4",
                        "多重传一次，服务器也就多记住你 4 秒。RFC 9293 3.10.7.4",
                    ),
                    {
                        "forgotten-too-early": lambda _: State.CLOSED,
                        "late-ack-is-ignored": lambda _: State.SYN_RECEIVED,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "A timer runs for each segment that takes up a sequence number. What happens when it expires?",
            "每个占用序列号的报文段都有一个定时器。它到期时会发生什么？",
        ),
        Text(
            "The first timeout is a second, each further one is twice as long.",
            "第一个超时是一秒，之后每个都是前一个的两倍。",
        ),
        Text(
            "After the last retransmission one more timeout passes. Then an ACK is one for no connection.",
            "最后一次重传之后还要过一个超时。此后的 ACK 就不属于任何连接了。",
        ),
    ),
    learned=Text(
        "The server repeats its SYN+ACK after 1, 3, 7 s and so on, and then forgets the request in silence. A client"
        " that believes to be connected learns it only from a reset.",
        "服务器在 1、3、7 秒……之后重传 SYN+ACK，然后不声不响地忘掉请求。以为自己已经连接的客户端，要到收到复位才知道。",
    ),
)
