# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests need of QEMU's gdbstub: to make a CPU run some code of theirs."""

import socket


class Gdb:
    """A debugger; the VM stands still from `with` to the end of its block."""

    def __init__(self, path: str):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)

    def __enter__(self) -> "Gdb":
        self.ask("?")
        return self

    def __exit__(self, *_) -> None:
        self.ask("D")
        self.socket.close()

    def ask(self, command: str) -> str:
        """The answer to a command of the remote protocol."""
        self.socket.sendall(
            f"${command}#{sum(command.encode()) % 256:02x}".encode())
        answer = b""
        while b"$" not in answer or answer[-3:-2] != b"#":
            data = self.socket.recv(4096)
            if not data:
                raise ConnectionError(f"the gdbstub said {answer} to {command}")
            answer += data
        self.socket.sendall(b"+")
        return answer.partition(b"$")[2][:-3].decode()

    def write(self, address: int, data: bytes) -> None:
        """Write to the machine's memory, whatever a CPU sees at this address."""
        self.obey("Qqemu.PhyMemMode:1")
        self.obey(f"M{address:x},{len(data):x}:{data.hex()}")

    def register(self, number: int, value: bytes) -> None:
        """Set a register of the CPU; the value is in the order of its memory."""
        self.obey(f"P{number:x}={value.hex()}")

    def obey(self, command: str) -> None:
        """Give a command that has to succeed."""
        answer = self.ask(command)
        if answer != "OK":
            raise ConnectionError(f"the gdbstub said {answer} to {command}")
