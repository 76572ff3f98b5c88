#!/usr/bin/env python3
"""A plain gRPC client, generated from the protos, runs a whole round.

  python_client.py BIN_DIR PROTO_DIR

Starts a coordinator, joins as administrator, owner and three contributors,
creates a repository from hand-made files, runs one round and checks the merged
weights against exact arithmetic of its own. Nothing of Federity's code is used
but the .proto files: what it does, any client can do.
"""

import hashlib
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from fractions import Fraction

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

BIN, PROTO = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

PLAN = """
[data]
features = ["a", "b"]
label = "y"
classes = ["no", "yes"]
[training]
learning_rate = 0.1
[round]
min_contributions = 3
"""


def generate(out):
    plugin = subprocess.check_output(["which", "grpc_python_plugin"], text=True).strip()
    protos = sorted(str(p.relative_to(PROTO)) for p in PROTO.glob("federity/v1/*.proto"))
    protos += sorted(str(p.relative_to(PROTO)) for p in PROTO.glob("google/rpc/*.proto"))
    subprocess.check_call(["protoc", f"-I{PROTO}", f"--python_out={out}", f"--grpc_out={out}",
                           f"--plugin=protoc-gen-grpc={plugin}"] + protos)
    sys.path.insert(0, str(out))


def sign(key, label, message):
    return key.sign(label.encode() + b"\0" + message)


def sha256(data):
    return hashlib.sha256(data).digest()


def parse_link(link):
    import base64
    rest = link.strip()[len("federity://"):]
    address, token = rest.split("/j1/")
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert len(raw) == 1 + 32 + 16, "kind, CA fingerprint, secret"
    return address, raw[0], raw[1:33], raw[33:]


def ca_certificate(address, fingerprint):
    """The certificate in the server's chain that has the link's fingerprint."""
    shown = subprocess.run(["openssl", "s_client", "-connect", address, "-showcerts"],
                           input="", capture_output=True, text=True).stdout
    for block in shown.split("-----BEGIN CERTIFICATE-----")[1:]:
        pem = ("-----BEGIN CERTIFICATE-----" +
               block.split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
        der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
        if sha256(der) == fingerprint:
            return pem.encode()
    raise AssertionError("no certificate in the chain has the link's fingerprint")


class Member:
    """Keys, certificate and stubs of one member."""

    def __init__(self, link):
        from federity.v1 import membership_pb2, membership_pb2_grpc
        address, kind, fingerprint, secret = parse_link(link)
        self.key = ed25519.Ed25519PrivateKey.generate()
        tls = ec.generate_private_key(ec.SECP256R1())
        request = (x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
                   .sign(tls, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
        ca = ca_certificate(address, fingerprint)
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca)) as channel:
            answer = membership_pb2_grpc.MembershipServiceStub(channel).Join(
                membership_pb2.JoinRequest(
                    secret=secret, kind=kind, certificate_request=request, version="0.1.0",
                    contribution_key=self.key.public_key().public_bytes(
                        serialization.Encoding.Raw, serialization.PublicFormat.Raw),
                    signature=sign(self.key, "federity/join/v1", sha256(secret) + sha256(request))),
                timeout=20)
        self.name = answer.member.name
        self.channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(
            ca, tls.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()),
            answer.certificate_chain.encode()))

    def call(self, service, method, request):
        import importlib
        for module in ("membership", "repositories", "commits", "uploads", "rounds",
                       "contributions", "plans", "server", "statistics"):
            stubs = importlib.import_module(f"federity.v1.{module}_pb2_grpc")
            if hasattr(stubs, service + "Stub"):
                return getattr(getattr(stubs, service + "Stub")(self.channel), method)(
                    request, timeout=30)
        raise AssertionError(service)

    def upload(self, repository, data):
        from federity.v1 import uploads_pb2
        upload = self.call("UploadService", "CreateUpload", uploads_pb2.CreateUploadRequest(
            parent=repository, size_bytes=len(data), digest="sha256:" + hashlib.sha256(data).hexdigest(),
            request_id=str(uuid.uuid4())))

        def messages():
            for offset in range(0, max(len(data), 1), 1 << 20):
                message = uploads_pb2.WriteUploadRequest(data=data[offset:offset + (1 << 20)])
                if offset == 0:
                    message.name, message.offset = upload.name, 0
                yield message

        done = self.call("UploadService", "WriteUpload", messages())
        assert done.complete and done.committed_bytes == len(data), done
        return upload.name


def safetensors(encoding, dtype, tensors):
    """The canonical header of docs/formats/safetensors.md, then the data."""
    header = {"__metadata__": {"federity.buffers": "[]", "federity.encoding": encoding,
                               "format": "pt"}}
    offset, body = 0, b""
    for name, shape, raw in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        body += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def half_even(fraction):
    floor = fraction.numerator // fraction.denominator
    rest = fraction - floor
    return floor + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and floor % 2 == 1))


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def contribute(member, repository, plan_digest, program_digest, examples, q, errors):
    """One contributor's whole part in one round."""
    try:
        from federity.v1 import contributions_pb2, contributions_pb2_grpc, membership_pb2
        stub = contributions_pb2_grpc.ContributionServiceStub(member.channel)
        stream = stub.WatchAssignments(contributions_pb2.WatchAssignmentsRequest(
            parent=repository, version="0.1.0", approved_plan_digest=plan_digest,
            approved_program_digest=program_digest,
            datasets=[membership_pb2.DatasetSummary(label="d", kind="table", rows=examples)]),
            timeout=120)
        for event in stream:
            if event.WhichOneof("event") != "training":
                continue
            work = event.training
            delta = safetensors("plain-1", "I32", [("w", [2, 2], struct.pack("<4i", *q))])
            digest = "sha256:" + hashlib.sha256(delta).hexdigest()
            upload = member.upload(repository, delta)
            # docs/formats/delta.md: what a contribution's signature covers.
            statement = contribution_statement(work.contribution, work.base_commit.digest,
                                               plan_digest, digest, examples)
            member.call("ContributionService", "SubmitContribution",
                        contributions_pb2.SubmitContributionRequest(
                            name=work.contribution, upload=upload, examples=examples,
                            signature=sign(member.key, "federity/contribution/v1", statement),
                            request_id=str(uuid.uuid4())))
            break
    except Exception as error:  # reported by the main thread
        errors.append(error)


def contribution_statement(name, base, plan, delta, examples):
    raw = b"".join(bytes.fromhex(digest[len("sha256:"):]) for digest in (base, plan, delta))
    return name.encode() + raw + struct.pack(">Q", examples)


def run(folder):
    from federity.v1 import commits_pb2, membership_pb2, repositories_pb2, rounds_pb2
    data = folder / "coordinator"
    log = open(folder / "server.log", "w")
    server = subprocess.Popen([BIN / "federity-server", "run", "--data-dir", data, "--listen",
                               "127.0.0.1:0", "--public", "127.0.0.1:0"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not ((data / "port").exists() and (data / "administrator-link").exists()):
            assert server.poll() is None, open(folder / "server.log").read()
            assert time.monotonic() < deadline, "the coordinator did not start in 60 s"
            time.sleep(0.05)
        admin = Member((data / "administrator-link").read_text())
        person, agent = membership_pb2.MEMBER_KIND_PERSON, membership_pb2.MEMBER_KIND_AGENT
        link = admin.call("MembershipService", "CreateInvitation",
                          membership_pb2.CreateInvitationRequest(
                              parent="organizations/st-mary", role=membership_pb2.ROLE_OWNER,
                              kind=person, organization_display_name="St Mary",
                              request_id=str(uuid.uuid4()))).link
        owner = Member(link)
        repository = owner.call("RepositoryService", "CreateRepository",
                                repositories_pb2.CreateRepositoryRequest(
                                    parent="organizations/st-mary", repository_id="toy",
                                    plan_toml=PLAN, request_id=str(uuid.uuid4())))
        base = [float32(x) for x in (0.1, -0.2, 0.3, 0.0)]
        commit = owner.call("CommitService", "CreateCommit", commits_pb2.CreateCommitRequest(
            parent=repository.name, message="first", request_id=str(uuid.uuid4()),
            program_upload=owner.upload(repository.name, b"opaque to the coordinator"),
            weights_upload=owner.upload(repository.name, safetensors(
                "weights-1", "F32", [("w", [2, 2], struct.pack("<4f", *base))]))))
        parts = [(100, [1 << 20, -5, 7, 1]), (30, [-(1 << 22), 9, 7, 0]), (7, [3, 1 << 23, 7, 0])]
        errors, threads = [], []
        for i, (examples, q) in enumerate(parts):
            link = owner.call("MembershipService", "CreateInvitation",
                              membership_pb2.CreateInvitationRequest(
                                  parent=repository.name, role=membership_pb2.ROLE_CONTRIBUTOR,
                                  kind=agent, organization_display_name=f"Hospital {i}",
                                  request_id=str(uuid.uuid4()))).link
            threads.append(threading.Thread(target=contribute, args=(
                Member(link), repository.name, commit.plan_digest, commit.program_digest,
                examples, q, errors)))
        for thread in threads:
            thread.start()
        round_ = owner.call("RoundService", "StartRound", rounds_pb2.StartRoundRequest(
            parent=repository.name, count=1, request_id=str(uuid.uuid4())))
        state = rounds_pb2.Round.State
        from federity.v1 import rounds_pb2_grpc
        for message in rounds_pb2_grpc.RoundServiceStub(owner.channel).WatchRound(
                rounds_pb2.WatchRoundRequest(name=round_.name), timeout=90):
            last = message.round
            print(state.Name(last.state), last.waiting_for)
        for thread in threads:
            thread.join(30)
        assert not errors, errors
        assert last.state == state.COMMITTED, last
        merged = b"".join(m.data for m in __import__(
            "federity.v1.commits_pb2_grpc", fromlist=["x"]).CommitServiceStub(owner.channel)
            .DownloadCommit(commits_pb2.DownloadCommitRequest(
                name=last.commit, part=commits_pb2.COMMIT_PART_WEIGHTS), timeout=30))
        total = sum(e for e, _ in parts)
        expected = []
        for i in range(4):
            mean = half_even(Fraction(sum(e * q[i] for e, q in parts), total))
            expected.append(float32(base[i] + mean * 2.0 ** -24))
        got = list(struct.unpack("<4f", merged[-16:]))
        assert got == expected, (got, expected)
        print("the merged weights are exactly", got)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0, "the coordinator did not drain"


def main():
    with tempfile.TemporaryDirectory(prefix="federity-python-") as folder:
        os.chmod(folder, 0o711)
        folder = pathlib.Path(folder)
        (folder / "generated").mkdir()
        generate(folder / "generated")
        try:
            run(folder)
        except BaseException:
            log = folder / "server.log"
            if log.exists():
                print(log.read_text(), file=sys.stderr)
            raise


if __name__ == "__main__":
    main()
