"""E19: many SYNs without a third segment, with cookies and without."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count, StateName
from lab.exercise.readings import Checked, HowMany, KernelState
from lab.tcp.state import State


def room(own: Numbers) -> int:
    """How many requests the SYN queue takes without cookies: net/ipv4/tcp_input.c, tcp_conn_request()."""
    return own.most - own.most // 4 + 1


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_syncookies", own.cookies)
    lab.kernel.sysctl("net.ipv4.tcp_max_syn_backlog", own.most)
    server = lab.kernel.listen(port=own.port, backlog=2 * own.most)
    answered = own.clients if own.cookies else room(own)
    lab.step("SYN")
    for number in range(own.clients):
        peer = lab.peer(to=server)
        peer.send("S")
        if number < answered:
            peer.expect("SA", seq=0, ack=1)
        else:
            peer.expect_silence()
    lab.verify("SYN-RECEIVED", 0 if own.cookies else answered, lab.kernel.count("SYN-RECEIVED"))
    lab.kernel.expect_state(peer, "CLOSED")
    if own.cookies:
        lab.step("ACK")
        peer.send("A")
        lab.kernel.expect_state(peer, "ESTABLISHED")


EXERCISE = Exercise(
    id="E19",
    title=Text("SYNs and nothing more", "只有 SYN"),
    goal=Text(
        "Say what a flood of SYNs does to a server, and what SYN cookies change.",
        "会说出大量 SYN 对服务器有什么影响，以及 SYN cookie 改变了什么。",
    ),
    minutes=10,
    section="RFC 4987 2.2, 3.6",
    article="3.2",
    run=run,
    draw={
        "port": range(1024, 30000),
        "most": range(8, 29, 4),
        "extra": range(3, 15),
        "cookies": (0,),
    },
    derive={"clients": lambda own: own.most + own.extra},
    rounds=(
        Round(
            Text(
                "On the server tcp_max_syn_backlog is {most} and tcp_syncookies is {cookies} (1 by default). {clients}"
                " clients send SYN within a second, and none of them sends more. Linux drops a SYN when less than a"
                " quarter of the {most} places in the SYN queue is free.",
                "服务器上 tcp_max_syn_backlog 为 {most}，tcp_syncookies 为 {cookies}（默认为 1）。{clients}"
                " 个客户端在一秒内"
                "发送 SYN，此后什么也不发。当 SYN 队列的 {most} 个位置中空闲的不足四分之一时，Linux 丢弃 SYN。",
            ),
            predict=(
                Question(
                    "answered",
                    Text("How many of these SYNs get a SYN+ACK?", "这些 SYN 中有几个得到 SYN+ACK？"),
                    Count(),
                    HowMany(from_peer=False, step="SYN"),
                    room,
                    Text(
                        "Three quarters of {most}, and one more: a quarter is still free when that one comes. RFC 4987"
                        " 2.2",
                        "{most} 的四分之三再加一个：它到达时还空着四分之一。RFC 4987 2.2",
                    ),
                    {
                        "a-quarter-is-still-free": lambda own: own.most - own.most // 4,
                        "reserved-quarter": lambda own: own.most,
                        "syn-queue-ends": lambda own: own.clients,
                    },
                ),
                Question(
                    "remembered",
                    Text("How many connections does ss show in SYN-RECEIVED?", "ss 显示几个连接处于 SYN-RECEIVED？"),
                    Count(),
                    Checked("SYN-RECEIVED"),
                    room,
                    Text(
                        "Each SYN+ACK stands for an entry that waits for its ACK. RFC 9293 3.3.2",
                        "每个 SYN+ACK 都对应一个等待 ACK 的条目。RFC 9293 3.3.2",
                    ),
                    {
                        "dropped-leaves-no-entry": lambda own: own.clients,
                        "a-quarter-is-still-free": lambda own: own.most - own.most // 4,
                        "reserved-quarter": lambda own: own.most,
                    },
                ),
                Question(
                    "last",
                    Text(
                        "In which state is the connection of the last client on the server? (CLOSED if there is none.)",
                        "服务器上最后一个客户端的连接处于什么状态？（如果没有，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("SYN"),
                    lambda _: State.CLOSED,
                    Text(
                        "Its SYN was dropped, and an honest client's would be too: that is the attack. RFC 4987 2.2",
                        "它的 SYN 被丢弃，正常客户端的也一样：这正是攻击的目的。RFC 4987 2.2",
                    ),
                    {
                        "dropped-leaves-no-entry": lambda _: State.SYN_RECEIVED,
                        "no-entry-yet": lambda _: State.LISTEN,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "One setting changes: tcp_syncookies is {cookies}, so every SYN is answered with a cookie. (With 1,"
                " Linux"
                " does so only once the queue is full.) The same {clients} clients send SYN. Then the last one of them"
                " is honest, and sends its ACK.",
                "只改一个设置：tcp_syncookies 为 {cookies}，每个 SYN 都用 cookie 应答。（为 1 时，Linux"
                " 只在队列满了之后这样做。）"
                "同样 {clients} 个客户端发送 SYN。然后最后一个其实是正常客户端，它发送 ACK。",
            ),
            change={"cookies": 2},
            predict=(
                Question(
                    "answered_now",
                    Text("How many of the SYNs get a SYN+ACK now?", "现在有几个 SYN 得到 SYN+ACK？"),
                    Count(),
                    HowMany(from_peer=False, step="SYN"),
                    lambda own: own.clients,
                    Text(
                        "All {clients}: a cookie needs no place in any queue. RFC 4987 3.6",
                        "全部 {clients} 个：cookie 不占用任何队列的位置。RFC 4987 3.6",
                    ),
                    {"cookies-need-no-queue": room, "cookies-answer": lambda _: 0},
                ),
                Question(
                    "remembered_now",
                    Text("And how many connections are in SYN-RECEIVED?", "有几个连接处于 SYN-RECEIVED？"),
                    Count(),
                    Checked("SYN-RECEIVED"),
                    lambda _: 0,
                    Text(
                        "None: what the server has to know is in the sequence number of its SYN+ACK, which the client"
                        " returns. RFC 4987 3.6",
                        "一个也没有：服务器需要知道的都在 SYN+ACK 的序列号里，由客户端带回来。RFC 4987 3.6",
                    ),
                    {"cookie-is-no-entry": lambda own: own.clients, "cookies-need-no-queue": room},
                ),
                Question(
                    "honest",
                    Text(
                        "In which state is the last client's connection after its ACK?",
                        "最后一个客户端发送 ACK 之后，它的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "The ACK returns the cookie plus 1. It is genuine, so the connection exists at once. RFC 4987"
                        " 3.6",
                        "ACK 带回 cookie 加 1。cookie 是真的，所以连接立即存在。RFC 4987 3.6",
                    ),
                    {
                        "cookie-comes-back": lambda _: State.CLOSED,
                        "cookie-is-no-entry": lambda _: State.SYN_RECEIVED,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What does a server have to remember between SYN and ACK, and who else could keep it?",
            "在 SYN 和 ACK 之间，服务器必须记住什么？还有谁可以保存它？",
        ),
        Text(
            "Count the free places when a SYN arrives. Is that less than a quarter?",
            "数一数 SYN 到达时空闲的位置。不足四分之一吗？",
        ),
        Text(
            "Without cookies: three quarters and one. With cookies: all are answered, and nothing is kept.",
            "没有 cookie：四分之三再加一个。有 cookie：全部得到应答，什么也不保存。",
        ),
    ),
    learned=Text(
        "Half-open connections fill a queue, and then nobody gets in. A SYN cookie keeps the server's state in the"
        " sequence number of the SYN+ACK, so there is no queue to fill.",
        "半连接会占满队列，此后谁也进不来。SYN cookie 把服务器的状态放进 SYN+ACK 的序列号里，没有队列可以占满。",
    ),
)
