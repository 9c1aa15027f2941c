"""E02: why a handshake of crafted segments fails on an ordinary machine, and how it succeeds."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import SPAN, Count, Flags, StateName, WireNumber
from lab.exercise.readings import HowMany, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    if own.owned:
        lab.own_peer_addresses()
    lab.step("SYN")
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED" if own.owned else "SYN-RECEIVED")
    lab.step("ACK")
    peer.send("A")
    if own.owned:
        peer.expect("R", seq=1)
    else:
        lab.kernel.expect_state(peer, "ESTABLISHED")


EXERCISE = Exercise(
    id="E02",
    title=Text("Who answers?", "是谁应答的？"),
    goal=Text(
        "Explain why a handshake of crafted segments fails on an ordinary machine, and make it succeed.",
        "会解释为什么在普通机器上用构造的报文段握手会失败，并让它成功。",
    ),
    minutes=8,
    section="RFC 9293 3.5.2 group 1, 3.10.7.1",
    article="3.2",
    run=run,
    draw={"x": range(100_000_000, 4_000_000_000, 997), "port": range(1024, 30000), "owned": (1,)},
    rounds=(
        Round(
            Text(
                "You do the handshake by hand: your program puts segments on the wire itself, as with Scapy, and uses"
                " the address of the machine on which it runs. It sends a SYN with x = {x} to the server's port {port},"
                " where a program listens. The SYN+ACK comes back to your machine. Your program waits a moment, then"
                " sends the third segment.",
                "你手工完成握手：你的程序像 Scapy 那样自己把报文段放到线路上，并使用它所在机器的地址。"
                "它向服务器的端口 {port} 发送 SYN，序列号为 x = {x}，那里有程序在监听。SYN+ACK 回到你的机器。"
                "你的程序稍等片刻，然后发送第三个报文段。",
            ),
            predict=(
                Question(
                    "second",
                    Text(
                        "In this moment, what does your machine send by itself? Which control bits does it have?",
                        "在这片刻之间，你的机器自己会发送什么？带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(2, "flags", from_peer=True),
                    lambda _: "R",
                    Text(
                        "The SYN+ACK is for an address that your kernel owns, so your kernel gets it too. It knows of"
                        " no such connection, and resets it. RFC 9293 3.10.7.1",
                        "SYN+ACK 的目的地址属于你的内核，所以你的内核也收到了它。内核不知道这个连接，于是发送复位。"
                        "RFC 9293 3.10.7.1",
                    ),
                    {
                        "own-kernel-answers": lambda _: "",
                        "own-kernel-knows-nothing": lambda _: "A",
                        "reset-of-an-ack": lambda _: "RA",
                    },
                ),
                Question(
                    "seq",
                    Text(
                        "Which sequence number does it have, as it stands in the header?",
                        "它的序列号在首部里是多少？",
                    ),
                    WireNumber(),
                    OfSegment(2, "seq", from_peer=True),
                    lambda own: (own.x + 1) % SPAN,
                    Text(
                        "The acknowledgment number of the SYN+ACK: x+1. So the server believes it. RFC 9293 3.5.2",
                        "就是 SYN+ACK 的确认号：x+1，所以服务器会接受它。RFC 9293 3.5.2",
                    ),
                    {
                        "syn-not-counted": lambda own: own.x,
                        "reset-has-a-number": lambda _: 0,
                        "relative-for-absolute": lambda _: 1,
                    },
                ),
                Question(
                    "state",
                    Text(
                        "In which state is the server's connection before your third segment?",
                        "在你的第三个报文段之前，服务器的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("SYN"),
                    lambda _: State.CLOSED,
                    Text(
                        "The reset has removed it. RFC 9293 3.10.7.4",
                        "复位已经删除了它。RFC 9293 3.10.7.4",
                    ),
                    {
                        "own-kernel-answers": lambda _: State.SYN_RECEIVED,
                        "own-kernel-knows-nothing": lambda _: State.ESTABLISHED,
                    },
                ),
                Question(
                    "third",
                    Text(
                        "Which control bits does the server's answer to your third segment have?",
                        "服务器对你的第三个报文段的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="ACK"),
                    lambda _: "R",
                    Text(
                        "For the server there is no connection any more: an ACK for none is reset. RFC 9293 3.10.7.2",
                        "对服务器来说连接已经不存在：不属于任何连接的 ACK 会得到复位。RFC 9293 3.10.7.2",
                    ),
                    {
                        "own-kernel-answers": lambda _: "",
                        "syn-is-over": lambda _: "SA",
                    },
                ),
            ),
        ),
        Round(
            Text(
                "The same once more, but your program uses an address that no kernel owns. The server's kernel has an"
                " entry in its neighbour table which says that your machine takes packets for this address.",
                "再来一次，但你的程序使用一个不属于任何内核的地址。服务器内核的邻居表里有一个条目，"
                "说明发往这个地址的数据包由你的机器接收。",
            ),
            change={"owned": 0},
            hint=Text(
                "Who gets the SYN+ACK now, and who could reset?",
                "现在谁会收到 SYN+ACK，谁还能发送复位？",
            ),
            predict=(
                Question(
                    "state_without_owner",
                    Text(
                        "In which state is the server's connection before your third segment now?",
                        "现在，在你的第三个报文段之前，服务器的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("SYN"),
                    lambda _: State.SYN_RECEIVED,
                    Text(
                        "Nobody but your program gets the SYN+ACK, so nobody resets. RFC 9293 3.10.7.2",
                        "只有你的程序收到 SYN+ACK，所以没有谁发送复位。RFC 9293 3.10.7.2",
                    ),
                    {
                        "nobody-owns-it": lambda _: State.CLOSED,
                        "established-too-early": lambda _: State.ESTABLISHED,
                    },
                ),
                Question(
                    "state_at_the_end",
                    Text("And after it?", "第三个报文段之后呢？"),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "Your ACK completes the handshake, as that of any client does. RFC 9293 3.10.7.4",
                        "你的 ACK 与任何客户端的一样完成了握手。RFC 9293 3.10.7.4",
                    ),
                    {
                        "nobody-owns-it": lambda _: State.CLOSED,
                        "ack-completes": lambda _: State.SYN_RECEIVED,
                    },
                ),
            ),
            investigate=(
                Question(
                    "sent",
                    Text(
                        "How many segments came from your side in this run?",
                        "这次运行中，你这一端一共发出了几个报文段？",
                    ),
                    Count(),
                    HowMany(from_peer=True),
                    lambda _: 2,
                    Text(
                        "SYN and ACK, both by your program. RFC 9293 3.5",
                        "SYN 和 ACK，都是你的程序发送的。RFC 9293 3.5",
                    ),
                    {"no-reset-this-time": lambda _: 3},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Who else on your machine gets a packet that is addressed to it?",
            "发往你的机器的数据包，机器上还有谁会收到？",
        ),
        Text(
            "What does a kernel do with a segment of a connection that it does not know?",
            "内核如何处理不属于它所知道的任何连接的报文段？",
        ),
        Text(
            "Your own kernel resets. It has to be kept out: by an address that it does not own, or by a firewall rule.",
            "是你自己的内核发送了复位。要让它不参与：使用不属于它的地址，或者用防火墙规则。",
        ),
    ),
    learned=Text(
        "Segments made by a program fail because the kernel beside it answers too. With an address that no kernel owns"
        " the program is alone.",
        "程序构造的报文段之所以失败，是因为旁边的内核也会应答。使用不属于任何内核的地址，就只有程序自己应答。",
    ),
)
