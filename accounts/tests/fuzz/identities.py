"""Who the requests of a run come from, and what belongs to them.

A run ends sessions and deletes accounts, its own among them. So the identity signs in again once a
request has cost it its session, and gets a new account once the old one is gone.
"""

import itertools
import os
import subprocess
from collections import defaultdict

import requests
import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase

IDENTITY = os.environ["FUZZ_IDENTITY"]
SERVICE = os.environ["FUZZ_SERVICE"]
PROGRAM = os.environ["FUZZ_PROGRAM"]

# The two operations that make an identity; everything else comes from the contract.
ACCOUNTS = "/users"
SESSIONS = "/sessions"

# No list of common passwords knows it.
PASSWORD = "said once, by nobody but the fuzzer"


def parts(case):
    """The collection and the name of the parameter: `/sessions` and `id` of `/sessions/{id}`, and of
    whatever is below it."""
    collection, _, rest = case.operation.path.partition("/{")
    return collection, rest.partition("}")[0]


class Identity:
    """An account with a session."""

    def __init__(self):
        self.numbers = itertools.count(1)
        self.email = None
        self.token = None
        # Ids or keys by collection (`/sessions`): what we are, and what the run has made as us.
        self.ids = {}
        self.made = defaultdict(list)

    def get(self, case, context):
        """The token to come with; called for every request."""
        if self.token is None and not self.log_in():
            self.email = f"{IDENTITY}{next(self.numbers)}@fuzz.example"
            self.register()
            assert self.log_in(), "a new account can log in"
        return self.token

    def set(self, case, token, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}

    def log_in(self):
        if self.email is None:
            return False
        answer = self.create(SESSIONS, email=self.email, password=PASSWORD)
        self.token = answer and answer["token"]
        return answer is not None

    def register(self):
        if IDENTITY == "admin":
            command = [PROGRAM, "admin", "create", "--email", self.email]
            # Without an environment it takes the defaults, and so the database of the service.
            subprocess.run(
                command, input=PASSWORD, text=True, check=True, capture_output=True, env={}
            )
        else:
            answer = self.create(ACCOUNTS, email=self.email, name="Fuzzer", password=PASSWORD)
            assert answer, "anybody can register"

    def create(self, collection, **body):
        answer = requests.post(SERVICE + collection, json=body, timeout=10)
        if answer.status_code != 201:
            return None
        self.ids[collection] = answer.json()["id"]
        return answer.json()

    def observe(self, case, response):
        """Notices what an answer to one of our requests means for us."""
        sent = response.request.headers.get("Authorization")
        if self.token is None or sent != f"Bearer {self.token}":
            return
        if response.status_code == 401:
            self.token = None
        elif response.status_code == 429:
            # Wrong guesses have barred the account from whatever asks for its password.
            self.token = self.email = None
        elif case.method == "DELETE" and response.status_code < 300:
            # A guess: not every deletion ends a session, and logging in anew does no harm.
            self.token = None
            collection, name = parts(case)
            gone = (case.path_parameters or {}).get(name)
            self.made[collection] = [made for made in self.made[collection] if made != gone]
        elif response.status_code == 201:
            made = response.json()
            self.made[case.operation.path].append(made["id"] if "id" in made else made["key"])

    def own(self, case):
        """Replaces what chance cannot find by what is ours, so that more than refusals is tested."""
        collection, name = parts(case)
        known = [self.ids[collection]] if collection in self.ids else self.made[collection]
        if known and name in (case.path_parameters or {}):
            case.path_parameters = {**case.path_parameters, name: known[-1]}
        if case.method == "PUT":
            # It asks for the version it replaces, and any will do.
            case.headers = {**(case.headers or {}), "if-match": "*"}
        if (case.method, case.operation.path) == ("POST", SESSIONS):
            case.body = {"email": self.email, "password": PASSWORD}
        elif isinstance(case.body, dict):
            # The proof of who one is, asked of somebody who is signed in.
            proofs = [name for name in case.body if name in ("current", "current_password")]
            case.body = {**case.body, **dict.fromkeys(proofs, PASSWORD)}


KEY = "idempotency-key"
keys = itertools.count(1)


@schemathesis.hook("before_call")
def name_anew(context, case, kwargs):
    """Gives each good request with a key one of its own. Another request with the same key is
    refused (422), and rightly; the tool would take that for a refusal of good input."""
    good = case.meta and case.meta.generation.mode == GenerationMode.POSITIVE
    if good and KEY in (case.headers or {}):
        case.headers = {**case.headers, KEY: f"{IDENTITY}-{next(keys)}"}


if IDENTITY != "anonymous":
    identity = Identity()
    turns = itertools.count()

    @schemathesis.auth(refresh_interval=None)
    class Auth:
        def get(self, case, context):
            return identity.get(case, context)

        def set(self, case, token, context):
            identity.set(case, token, context)

    @schemathesis.hook
    def before_call(context, case, kwargs):
        # Only what is random and meant to be good; the other phases follow plans of their own.
        meta = case.meta
        good = meta and meta.generation.mode == GenerationMode.POSITIVE
        if good and meta.phase.name == TestPhase.FUZZING and next(turns) % 2:
            identity.own(case)

    @schemathesis.hook
    def after_call(context, case, response):
        identity.observe(case, response)
