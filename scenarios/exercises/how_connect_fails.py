"""E12: with which error connect() fails, and which answers it believes."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import Count, Errno, StateName
from lab.exercise.readings import HowMany, KernelState, OfCall
from lab.tcp.state import State

LINEAR = "net.ipv4.tcp_syn_linear_timeouts"


def run(lab: Lab, own: Numbers) -> None:
    if own.silent:
        run_unanswered(lab, own)
        return
    lab.step("WRONG")
    peer = lab.peer(port=own.port)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    peer.send("RA", seq=0, ack=1 + own.off)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "SYN-SENT")
    lab.step("RST")
    peer.send("RA", seq=0, ack=1)
    client.expect_connected(error="ECONNREFUSED")
    for step, port, error, name in (
        ("HOST", own.port + 1, "host unreachable", "EHOSTUNREACH"),
        ("PORT", own.port + 2, "port unreachable", "ECONNREFUSED"),
    ):
        lab.step(step)
        peer = lab.peer(port=port)
        client = lab.kernel.connect(to=peer)
        peer.expect("S", seq=0)
        peer.send_icmp(error)
        client.expect_connected(error=name)


def run_unanswered(lab: Lab, own: Numbers) -> None:
    """Nobody answers, until the kernel gives up."""
    lab.kernel.sysctl("net.ipv4.tcp_syn_retries", own.retries)
    if lab.kernel.sysctl(LINEAR, missing="none") != "none":
        lab.kernel.sysctl(LINEAR, 0)
    peer = lab.peer(port=own.port)
    client = lab.kernel.connect(to=peer)
    lab.step("SYN")
    peer.expect("S", seq=0)
    peer.expect_retransmissions("S")
    client.expect_connected(error="ETIMEDOUT")


SOFT = Text(
    "Linux ends the attempt at the first ICMP error about its SYN. RFC 9293 3.9.2.2 demands to go on, as the way may be"
    " repaired. This is what this kernel does.",
    "Linux 收到关于 SYN 的第一个 ICMP 差错报文就放弃。RFC 9293 3.9.2.2 要求继续尝试，因为路径可能恢复。"
    "这是这个内核的行为。",
)

EXERCISE = Exercise(
    id="E12",
    title=Text("How connect() fails", "connect() 如何失败"),
    goal=Text(
        "Read from the errno of connect() what came back, and say which answers the kernel does not believe.",
        "能从 connect() 的 errno 看出收到了什么，并说出内核不相信哪些应答。",
    ),
    minutes=12,
    section="RFC 9293 3.10.7.3, 3.9.2.2; connect(2)",
    article="3.2",
    run=run,
    waits=True,
    draw={"port": range(1024, 30000), "off": range(1, 100_000), "silent": (0,), "retries": (1,)},
    rounds=(
        Round(
            Text(
                "A program calls connect(), and its SYN with the number x reaches you. First you answer with RST+ACK"
                " and the acknowledgment number x+1+{off}, then with RST+ACK and x+1. Two more programs connect. A"
                " router answers the SYN of one with the ICMP error host unreachable, the SYN of the other with port"
                " unreachable.",
                "一个程序调用 connect()，它的 SYN（序列号为 x）到达你这里。你先用确认号为 x+1+{off} 的 RST+ACK 应答，"
                "再用确认号为 x+1 的 RST+ACK 应答。另外两个程序也发起连接。"
                "对其中一个的 SYN，路由器用 ICMP 主机不可达应答，对另一个的 SYN 用端口不可达应答。",
            ),
            predict=(
                Question(
                    "after_the_wrong_one",
                    Text(
                        "In which state is the first program's connection after your first reset?",
                        "收到你的第一个复位之后，第一个程序的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("WRONG"),
                    lambda _: State.SYN_SENT,
                    Text(
                        "A reset counts in SYN-SENT only if it acknowledges the SYN: x+1. Any other may be forged."
                        " RFC 9293 3.10.7.3",
                        "在 SYN-SENT 中，只有确认了 SYN（x+1）的复位才算数，其他的可能是伪造的。RFC 9293 3.10.7.3",
                    ),
                    {
                        "any-reset-counts": lambda _: State.CLOSED,
                        "reset-opens-nothing": lambda _: State.ESTABLISHED,
                    },
                ),
                Question(
                    "refused",
                    Text(
                        "How does connect() end after your second reset?",
                        "收到第二个复位之后，connect() 的结果是什么？",
                    ),
                    Errno(),
                    OfCall("connect", step="RST"),
                    lambda _: "ECONNREFUSED",
                    Text(
                        "A reset that acknowledges the SYN is a refusal. RFC 9293 3.10.7.3",
                        "确认了 SYN 的复位就是拒绝。RFC 9293 3.10.7.3",
                    ),
                    {
                        "nothing-to-reset-yet": lambda _: "ECONNRESET",
                        "reset-is-silence": lambda _: "ETIMEDOUT",
                    },
                ),
                Question(
                    "host",
                    Text(
                        "How does connect() end after host unreachable?", "收到主机不可达之后，connect() 的结果是什么？"
                    ),
                    Errno(),
                    OfCall("connect", step="HOST"),
                    lambda _: "EHOSTUNREACH",
                    SOFT,
                    {
                        "soft-error-ends-it": lambda _: "ETIMEDOUT",
                        "router-does-not-refuse": lambda _: "ECONNREFUSED",
                        "host-is-not-net": lambda _: "ENETUNREACH",
                    },
                ),
                Question(
                    "port",
                    Text("And after port unreachable?", "收到端口不可达之后呢？"),
                    Errno(),
                    OfCall("connect", step="PORT"),
                    lambda _: "ECONNREFUSED",
                    Text(
                        "That error says that nobody is at this port: Linux reports it as a refusal. RFC 1122 4.2.3.9",
                        "这个差错说明该端口上没有程序：Linux 把它报告为拒绝。RFC 1122 4.2.3.9",
                    ),
                    {
                        "port-unreachable-refuses": lambda _: "EHOSTUNREACH",
                        "soft-error-ends-it": lambda _: "ETIMEDOUT",
                    },
                ),
            ),
        ),
        Round(
            Text(
                "Now nothing comes back at all. The kernel's setting net.ipv4.tcp_syn_retries is {retries}, and"
                " tcp_syn_linear_timeouts is 0.",
                "现在什么应答都没有。内核的设置 net.ipv4.tcp_syn_retries 为 {retries}，tcp_syn_linear_timeouts 为 0。",
            ),
            change={"silent": 1},
            hint=Text(
                "Which errno says that nobody has answered? And what does a setting with retries in its name count?",
                "哪个 errno 表示没有收到任何应答？名称里带 retries 的设置计的是什么？",
            ),
            predict=(
                Question(
                    "unanswered",
                    Text("How does connect() end?", "connect() 的结果是什么？"),
                    Errno(),
                    OfCall("connect", step="SYN"),
                    lambda _: "ETIMEDOUT",
                    Text(
                        "After the last copy the kernel waits once more, then it gives up. tcp(7)",
                        "最后一次重传之后内核再等一次，然后放弃。tcp(7)",
                    ),
                    {
                        "silence-is-no-refusal": lambda _: "ECONNREFUSED",
                        "silence-is-no-error-of-a-router": lambda _: "EHOSTUNREACH",
                    },
                ),
                Question(
                    "copies",
                    Text(
                        "How often is the SYN sent again before that?",
                        "在此之前 SYN 重传几次？",
                    ),
                    Count(),
                    HowMany(from_peer=False, again=True),
                    lambda own: own.retries,
                    Text(
                        "The setting is the number of retransmissions. tcp(7)",
                        "这个设置就是重传次数。tcp(7)",
                    ),
                    {
                        "original-is-no-retry": lambda own: own.retries - 1,
                        "end-is-no-retransmission": lambda own: own.retries + 1,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Who can have sent each of these answers: the host that is called, a router, a forger?",
            "这些应答分别可能是谁发送的：被连接的主机、路由器，还是伪造者？",
        ),
        Text(
            "A forger who has not seen the SYN does not know its number.",
            "没有看到 SYN 的伪造者不知道它的序列号。",
        ),
        Text(
            "Refused: ECONNREFUSED. No way: EHOSTUNREACH. Nothing: ETIMEDOUT.",
            "被拒绝：ECONNREFUSED。没有路径：EHOSTUNREACH。没有应答：ETIMEDOUT。",
        ),
    ),
    learned=Text(
        "A reset has to prove that it has seen the SYN. An ICMP error ends connect() at once on Linux, silence after"
        " all retries.",
        "复位必须证明自己看到了 SYN。在 Linux 上，ICMP 差错报文会立即结束 connect()，"
        "没有应答则要等所有重传之后才结束。",
    ),
)
