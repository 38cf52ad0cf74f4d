"""The tracker's API in Python: one method for each route, with objects of the contract as arguments and results.

Every method raises the tracker's own error (`keepbest.errors`), or Unreachable if the tracker does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import BinaryIO

from keepbest.client.archives import Archives
from keepbest.client.events import Follower
from keepbest.client.export_routes import ExportRoutes
from keepbest.client.file_routes import FileRoutes
from keepbest.client.imports import ImportRoutes
from keepbest.client.projects import Projects
from keepbest.client.requests import read_answer, to_bytes
from keepbest.client.transport import path_of
from keepbest.contract.access import (
    AuditPage,
    Me,
    SignIn,
    SignInLink,
    Token,
    TokenList,
    TokenRequest,
    User,
    UserList,
    UserPatch,
    UserRequest,
)
from keepbest.contract.actions import ActionResults, Queue, QueuePlace, RunsAction
from keepbest.contract.base import new_id
from keepbest.contract.batches import BatchReceipt
from keepbest.contract.bundles import Bundle
from keepbest.contract.checkpoints import (
    Checkpoint,
    CheckpointDiff,
    CheckpointList,
    CheckpointPatch,
    Collection,
    CollectRequest,
    Receipt,
    ReceiptList,
    VariableList,
    VariableValues,
)
from keepbest.contract.commands import Command, CommandList, CommandRequest
from keepbest.contract.comparisons import ComparisonRequest, RunComparison
from keepbest.contract.curves import Curves, CurvesRequest
from keepbest.contract.events import Event, EventPage, Health
from keepbest.contract.overrides import ForkRequest, ResumeRequest
from keepbest.contract.panel_differences import PanelDifference, PanelDifferenceQuery
from keepbest.contract.panels import Panel, PanelList
from keepbest.contract.provenance import Provenance
from keepbest.contract.replays import Replay, ReplayRequest
from keepbest.contract.reports import Report
from keepbest.contract.runs import (
    Run,
    RunPatch,
    RunRequest,
    SegmentList,
    TestResultList,
    Undeleted,
)
from keepbest.contract.shares import Share, ShareList, ShareRequest
from keepbest.contract.sweeps import Sweep, SweepImportance, SweepPage, SweepRequest, SweepRuns
from keepbest.contract.validations import Curve, LogPage, MetricList, ValidationPage
from keepbest.contract.workers import (
    Assignment,
    Claim,
    RecipeList,
    Release,
    Renewal,
    Worker,
    WorkerList,
    WorkerRegistration,
)


class Client(Projects):
    """One tracker's routes."""

    @cached_property
    def files(self) -> FileRoutes:
        """The routes of runs' artifacts."""
        return FileRoutes(self.transport)

    @cached_property
    def archives(self) -> Archives:
        """The routes by which runs leave and come as archives."""
        return Archives(self.transport)

    @cached_property
    def exports(self) -> ExportRoutes:
        """The routes by which runs leave the tracker as files."""
        return ExportRoutes(self.transport)

    @cached_property
    def imports(self) -> ImportRoutes:
        """The routes by which runs of other tools come in."""
        return ImportRoutes(self.transport)

    # The service and who we are

    def health(self) -> Health:
        """Return whether the tracker works; `status` says what is wrong, such as a database of another version."""
        return read_answer(Health, self.transport.request("GET", path_of("health"), accept=(503,)).data)

    def me(self) -> Me:
        return self._get(Me, path_of("me"))

    def make_sign_in_link(self) -> SignInLink:
        return self._post(SignInLink, path_of("signin-links"))

    def exchange_code(self, code: str, token: TokenRequest) -> Token:
        """Exchange the code of a sign-in link for a new token, whose secret the answer holds."""
        signed_in = self.transport.request("POST", path_of("signin"), body=to_bytes(SignIn(code=code)))
        session = {"Cookie": signed_in.headers.get("Set-Cookie", "").partition(";")[0], "Origin": self.url}
        reply = self.transport.request("POST", path_of("tokens"), body=to_bytes(token), headers=session)
        return read_answer(Token, reply.data)

    def users(self) -> UserList:
        return self._get(UserList, path_of("users"))

    def add_user(self, user: UserRequest) -> User:
        return self._post(User, path_of("users"), user)

    def patch_user(self, name: str, patch: UserPatch) -> User:
        return self._send(User, "PATCH", path_of("users", name), patch, repeatable=True)

    def disable_user(self, name: str) -> None:
        self._delete(path_of("users", name))

    def tokens(self) -> TokenList:
        return self._get(TokenList, path_of("tokens"))

    def make_token(self, token: TokenRequest) -> Token:
        """Make a token. Only this answer holds its secret."""
        return self._post(Token, path_of("tokens"), token)

    def revoke_token(self, token: str) -> None:
        self._delete(path_of("tokens", token))

    def make_share(self, request: ShareRequest) -> Share:
        """Make a read-only link. Only this answer holds its address."""
        return self._post(Share, path_of("shares"), request)

    def shares(self) -> ShareList:
        return self._get(ShareList, path_of("shares"))

    def end_share(self, share: str) -> None:
        """End a read-only link with every session that it opened."""
        self._delete(path_of("shares", share))

    def audit(self, *, cursor: str | None = None, limit: int | None = None) -> AuditPage:
        return self._get(AuditPage, path_of("audit"), {"cursor": cursor, "limit": limit})

    # Runs

    def run(self, run: str) -> Run:
        """Return a run. Here and in every method below, `run` may be the first letters of an id."""
        return self._get(Run, path_of("runs", run))

    def submit(self, request: RunRequest, *, key: str | None = None) -> Run:
        """Queue a run. The key makes sure that a repeated request makes only one run."""
        return self._post(Run, path_of("runs"), request, key=key or new_id())

    def patch_run(self, run: str, patch: RunPatch) -> Run:
        """Change a run. More notes are sent once: a second time, they would stand there twice."""
        return self._send(Run, "PATCH", path_of("runs", run), patch, repeatable=patch.more_notes is None)

    def delete_run(self, run: str) -> None:
        self._delete(path_of("runs", run))

    def cancel_run(self, run: str) -> Run:
        return self._send(Run, "POST", path_of("runs", run, "cancel"), repeatable=True)

    def undelete_run(self, run: str) -> Undeleted:
        """Bring a deleted run back; the answer says which checkpoints came with it."""
        return self._post(Undeleted, path_of("runs", run, "undelete"))

    def fork(self, run: str, request: ForkRequest) -> Run:
        """Queue a run that begins at a checkpoint of this one. A repeated request makes only one run."""
        return self._post(Run, path_of("runs", run, "fork"), request, key=new_id())

    def resume(self, run: str, request: ResumeRequest) -> Run:
        """Queue an ended run of a worker again; raises Conflict if the run has not ended."""
        return self._post(Run, path_of("runs", run, "resume"), request)

    def act_on_runs(self, action: RunsAction) -> ActionResults:
        """Do one action to many runs; each result says whether it was done."""
        return self._post(ActionResults, path_of("runs", "actions"), action)

    def queue(self, *, limit: int | None = None) -> Queue:
        return self._get(Queue, path_of("queue"), {"limit": limit})

    def place_in_queue(self, run: str, place: QueuePlace) -> Run:
        """Put a queued run before or after another one; raises Conflict where one of the two does not wait."""
        return self._send(Run, "PUT", path_of("queue", run), place, repeatable=True)

    def segments(self, run: str) -> SegmentList:
        return self._get(SegmentList, path_of("runs", run, "segments"))

    def validations(
        self, run: str, *, after: int = 0, limit: int | None = None, examples: bool = False
    ) -> ValidationPage:
        """Return the validations after `seq` number `after`, in order; `examples` adds their single examples."""
        query = {"after": after, "limit": limit, "examples": "true" if examples else None}
        return self._get(ValidationPage, path_of("runs", run, "validations"), query)

    def replay(self, request: ReplayRequest) -> Replay:
        """Return what other policies would have done with recorded runs."""
        return self._send(Replay, "POST", path_of("replays"), request, repeatable=True)

    def metrics(self, run: str) -> MetricList:
        return self._get(MetricList, path_of("runs", run, "metrics"))

    def curve(
        self, run: str, key: str, *, first: int | None = None, last: int | None = None, max_points: int | None = None
    ) -> Curve:
        """Return the points of one metric from step `first` to step `last`, thinned to `max_points`."""
        query = {"key": key, "from": first, "to": last, "max_points": max_points}
        return self._get(Curve, path_of("runs", run, "curve"), query)

    def compare(self, *runs: str) -> RunComparison:
        """Return runs side by side; each of `runs` is a whole id."""
        request = ComparisonRequest(runs=list(runs))
        return self._send(RunComparison, "POST", path_of("comparisons"), request, repeatable=True)

    def curves(self, request: CurvesRequest) -> Curves:
        """Curves of many runs and metrics in one answer; what is missing is named in `errors`."""
        return self._send(Curves, "POST", path_of("curves"), request, repeatable=True)

    def logs(self, run: str, *, after: int = 0, limit: int | None = None) -> LogPage:
        return self._get(LogPage, path_of("runs", run, "logs"), {"after": after, "limit": limit})

    # Sweeps

    def sweeps(
        self,
        *,
        project: str | None = None,
        state: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> SweepPage:
        """Return one page of sweeps, newest first."""
        query = {"project": project, "state": state, "cursor": cursor, "limit": limit}
        return self._get(SweepPage, path_of("sweeps"), query)

    def begin_sweep(self, request: SweepRequest) -> Sweep:
        """Begin a sweep. A repeated request makes only one sweep."""
        return self._post(Sweep, path_of("sweeps"), request, key=new_id())

    def sweep(self, sweep: str) -> SweepRuns:
        """Return a sweep and its runs; `sweep` may be the first letters of an id."""
        return self._get(SweepRuns, path_of("sweeps", sweep))

    def importance(self, sweep: str) -> SweepImportance:
        return self._get(SweepImportance, path_of("sweeps", sweep, "importance"))

    def cancel_sweep(self, sweep: str) -> Sweep:
        return self._send(Sweep, "POST", path_of("sweeps", sweep, "cancel"), repeatable=True)

    # Commands to a run

    def commands(self, run: str, *, open_only: bool = False) -> CommandList:
        return self._get(CommandList, path_of("runs", run, "commands"), {"open": open_only or None})

    def command(self, run: str, request: CommandRequest) -> Command:
        return self._post(Command, path_of("runs", run, "commands"), request, key=new_id())

    # Checkpoints

    def checkpoints(self, run: str) -> CheckpointList:
        return self._get(CheckpointList, path_of("runs", run, "checkpoints"))

    def pin_checkpoint(self, checkpoint: str, *, pinned: bool = True) -> Checkpoint:
        patch = CheckpointPatch(is_pinned=pinned)
        return self._send(Checkpoint, "PATCH", path_of("checkpoints", checkpoint), patch, repeatable=True)

    def checkpoint(self, checkpoint: str) -> Checkpoint:
        return self._get(Checkpoint, path_of("checkpoints", checkpoint))

    def variables(self, checkpoint: str) -> VariableList:
        return self._get(VariableList, path_of("checkpoints", checkpoint, "variables"))

    def values(self, checkpoint: str, name: str, cut: str = "") -> VariableValues:
        return self._get(VariableValues, path_of("checkpoints", checkpoint, "values"), {"variable": name, "slice": cut})

    def diff_checkpoints(self, first: str, second: str) -> CheckpointDiff:
        return self._get(CheckpointDiff, path_of("checkpoints", first, "diff", second))

    def manifest(self, checkpoint: str) -> bytes:
        """Return the manifest's bytes, which `keepbest.checkpoint.manifest` reads."""
        return self.transport.request("GET", path_of("checkpoints", checkpoint, "manifest")).data

    def download_object(self, checkpoint: str, digest: str, sink: BinaryIO) -> int:
        """Write one object of a checkpoint to `sink` piece by piece; return its size. Loading checks the digest."""
        size = 0
        for piece in self.transport.stream(path_of("checkpoints", checkpoint, "objects", digest)):
            size += sink.write(piece)
        return size

    def collect_checkpoints(self, *, dry_run: bool = False) -> Collection:
        return self._post(Collection, path_of("checkpoints", "collect"), CollectRequest(dry_run=dry_run))

    def panels(self, run: str) -> PanelList:
        return self._get(PanelList, path_of("runs", run, "panels"))

    def panel(self, run: str, name: str, *, step: int | None = None, segment: int | None = None) -> Panel:
        return self._get(Panel, path_of("runs", run, "panel"), {"name": name, "step": step, "segment": segment})

    def diff_panels(self, query: PanelDifferenceQuery) -> PanelDifference:
        """Return what changed between two recordings of a classifier."""
        return self._get(PanelDifference, path_of("panels", "diff"), query.model_dump(exclude_none=True))

    def report(self, references: Sequence[str]) -> Report:
        """Return the report of a run, of several runs, or of a sweep."""
        return self._get(Report, path_of("reports"), {"of": ",".join(references)})

    def test_results(self, run: str) -> TestResultList:
        return self._get(TestResultList, path_of("runs", run, "test-results"))

    def provenance(self, run: str) -> Provenance:
        return self._get(Provenance, path_of("runs", run, "provenance"))

    def receipts(self, run: str) -> ReceiptList:
        return self._get(ReceiptList, path_of("runs", run, "receipts"))

    def add_receipt(self, receipt: Receipt) -> Receipt:
        return self._post(Receipt, path_of("runs", receipt.run, "receipts"), receipt)

    # Code

    def add_bundle(self, archive: bytes) -> Bundle:
        """Upload a user's code; the same archive again is the same bundle."""
        reply = self.transport.request(
            "POST", path_of("bundles"), body=archive, content_type="application/zip", repeatable=True
        )
        return read_answer(Bundle, reply.data)

    def bundle(self, digest: str) -> bytes:
        return self.transport.request("GET", path_of("bundles", digest)).data

    # Workers, leases, batches: what training itself says

    def workers(self) -> WorkerList:
        return self._get(WorkerList, path_of("workers"))

    def recipes(self) -> RecipeList:
        return self._get(RecipeList, path_of("recipes"))

    def register_worker(self, worker: WorkerRegistration) -> Worker:
        return self._send(Worker, "PUT", path_of("workers", worker.id), worker, repeatable=True)

    def deregister_worker(self, worker: str) -> None:
        self._delete(path_of("workers", worker))

    def claim(self, claim: Claim) -> Assignment | None:
        """Ask for a run to train; None if no run waits."""
        again = claim.request is not None
        reply = self.transport.request("POST", path_of("leases"), body=to_bytes(claim), repeatable=again)
        return read_answer(Assignment, reply.data) if reply.status != 204 else None

    def renew(self, run: str, lease: str) -> Renewal:
        return self._send(Renewal, "POST", path_of("leases", run, "renew"), lease=lease, repeatable=True)

    def release(self, run: str, lease: str, release: Release) -> Run:
        return self._send(Run, "POST", path_of("leases", run, "release"), release, lease=lease)

    def post_batch(self, run: str, body: bytes, content_type: str, lease: str) -> BatchReceipt:
        """Send one numbered batch of a journal. Never repeated here: the uploader repeats it, in order."""
        reply = self.transport.request(
            "POST",
            path_of("runs", run, "batches"),
            body=body,
            content_type=content_type,
            headers={"Keepbest-Lease": lease},
        )
        return read_answer(BatchReceipt, reply.data)

    # What happens

    def events(
        self, *, after: int | None = None, run: str | None = None, project: str | None = None, limit: int | None = None
    ) -> EventPage:
        """Return the events after a sequence number; without a number, no event, and the present number in `next`."""
        query = {"after": after, "run": run, "project": project, "limit": limit}
        return self._get(EventPage, path_of("events"), query)

    def follow(
        self, *, after: int | None = None, run: str | None = None, project: str | None = None
    ) -> Iterator[Event | None]:
        """Yield events as they happen, for ever, and None now and then while nothing happens."""
        return Follower(self, run, project, after).events()
