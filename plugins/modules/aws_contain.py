#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_contain
short_description: Contain AWS identities - the whole sequence in one process
version_added: 0.1.0
author:
  - evict.cloud contributors (@evict)
description:
  - Resolves the suspects of a case, guards, fences the users and roles that they are, keeps a snapshot, disables every kind of credential that they hold,
    revokes sessions, reads everything back and says what holds.
  - Beside the fence, a quick scope follows the suspects through CloudTrail's event history, and contains what they minted, reached and created,
    within the limits of the incident.
  - A person of IAM Identity Center, named by user name, e-mail, or a session of a permission set's role, is denied above each account in which they have
    anything, loses assignments and group memberships, and where nothing can stand above an account gets a statement of their own in its permission sets. Nobody
    else of the same permission set is touched. The root user of a member account is denied above its account.
  - In C(mode) graceful or bridge of the incident, the key that declared dependents of a suspect user hold is left alive, with bridge clamped to their networks,
    while this run gives them a new one as M(evict.cloud.aws_credential_rotation) does. All else is cut at once. Run it again to go on. Such a user is never
    denied as a whole, since that would stop the new key as well. What is allowed and refused is said there.

extends_documentation_fragment:
  - evict.cloud.attributes
  - evict.cloud.aws
  - evict.cloud.case
  - evict.cloud.run
options:
  hold:
    description:
      - How long containment is held at most, such as V(90s). IAM takes seconds to spread a change, in which whoever holds the key can still take a fence away.
      - Each time that the last change has had O(spread) to take effect, the whole account is compared with what it was, what the contained did meanwhile is put
        back, and every control is looked at and written again where it is gone, until one such pass finds nothing to do. Then the module ends, however much
        time is left.
      - V(0) does not wait and does not compare, so nothing is called contained yet; nor is it with less than O(spread). At most V(30m).
    type: str
    default: 90s
  spread:
    description: How long a change of IAM takes to hold everywhere, such as V(10s). The module waits for that, at most for O(hold).
    type: str
    default: 10s
  freeze:
    description:
      - While somebody is seen to work against the containment, nobody but the responder and the declared automations (C(incident.automations),
        C(incident.trusted.principals)) writes in the IAM of the account, until it is quiet. Who makes identities faster than they can be fenced is stopped by
        nothing else. The statement is part of the service control policy of the incident and runs out by itself.
      - Deployments that write in IAM fail meanwhile, which is a minute or two. V(false) leaves it out.
    type: bool
    default: true
  scope:
    description: Seconds for the quick scope at most; V(0) leaves it out.
    type: int
    default: 60
  revoke_again:
    description: Move the session cutoff to now even where an earlier one stands, and decide again what is done to roles.
    type: bool
    default: false
  kinds:
    description:
      - Kinds of credential of a suspect user that are looked at and disabled, each of which costs a request or two per user.
      - What is left out is held by the deny all the same, and comes back with its lifting.
      - What a suspect made for somebody else is cut whatever this says, since no deny holds that.
    type: list
    elements: str
    choices: [access_key, login_profile, mfa_device, service_specific_credential, signing_certificate, ssh_public_key]
    default: [access_key, login_profile, mfa_device, service_specific_credential, signing_certificate, ssh_public_key]
  account_fence:
    description:
      - The fence above the account, beside the identity fence. V(on_the_spot) attaches a service control policy of this incident, where Organizations can be
        reached with O(management_role_arn) or by the caller; else the AWS-managed policy AWSDenyAll is attached to what is denied everything.
      - V(pre_deployed) also sets the tag C(evict-quarantine) on what is denied everything, for the standing fence that the organization has deployed
        beforehand, see M(evict.cloud.aws_account_fence). It is trusted only when in this case a live session of a role made for that purpose was seen denied;
        until then, what V(on_the_spot) does is done as well.
      - V(none) does nothing of this.
    type: str
    choices: [on_the_spot, pre_deployed, none]
    default: on_the_spot
  live_sessions:
    description:
      - List what the suspects started and what goes on when its starter is denied (Session Manager sessions, commands and automations, ECS Exec, CodeBuild,
        Glue, Batch, Step Functions, CloudFormation, EKS access entries, Roles Anywhere), in all enabled regions, and end it. Whom the hold finds is looked at
        after it.
      - What may be somebody else's is named in C(residual) and C(open), and left. That is what was started by sessions that nobody named of a role that was
        named by its ARN and is not denied, by an identity that is not contained, and by a federation session of which the log does not say whose it is.
      - Who started a command, a Glue run, a Batch job, an execution or a stack operation only the log says, so these need the quick scope.
      - If left out, it is done with the quick scope, and left out without it.
    type: bool
  refresh:
    description:
      - Make workloads that run as a role whose sessions were revoked fetch new credentials, when the revocation has spread. Lambda functions get a mark in
        their description, ECS services a new deployment, EC2 instances their instance profile once more.
      - What runs in a session of the attacker's own is never refreshed. With V(false) they are listed only, with the time until which they fail.
    type: bool
    default: true
  isolate:
    description:
      - "Isolate the compute that a suspect started (from the quick scope; at most C(limits.compute)), that is named as a suspect, and that C(compute.isolate)
        of the incident file names, as M(evict.cloud.aws_resource) does. When the role is off, its sessions are revoked once more."
      - What a suspect's credential started counts as the suspect's under the conditions of O(clocks) for fleets, since its owner may have used it as well.
      - A machine of production whose role's credentials were used elsewhere goes on serving. Its role is revoked; IMDSv2 is required of it where CloudWatch
        shows that nothing used version 1 for 14 days, and proposed otherwise. It gets new credentials when IMDSv2 is required, or the incident exempts it.
    type: bool
    default: true
  clocks:
    description:
      - What suspects set going and what runs out by itself is stopped with V(stop). Logging is switched on again as soon as the fences stand
        (CloudTrail trails and event data stores, AWS Config, GuardDuty, the retention of log groups), and S3 lifecycle rules that they wrote are
          suspended. At the end the
        deletion of KMS keys is cancelled (a key stays disabled), secrets are restored, and fleets that they made (auto-scaling groups, EC2 and spot fleets,
        ECS services) are set to 0, which ends what those run.
      - A fleet that serves a load balancer is left alone, and so is one that may be the owner's, who may have used the same key. It is the suspect's when the
        call was made within C(window.start) of the incident file and not from C(trusted.networks), or by an identity that the suspect created.
      - Deletions of keys and secrets that others have scheduled are listed with their deadline and left alone.
      - V(list) lists only, V(none) does not look. Who did it only the log says, so without the quick scope (O(scope=0)) nothing is done or listed.
    type: str
    choices: [stop, list, none]
    default: stop
  resources:
    description:
      - When everything else has been done, deny the contained in the resources' own policies as well, as M(evict.cloud.aws_resource_fence) does. The buckets,
        KMS keys, secrets, queues, topics, functions and repositories that the incident names under C(resources.fence), and those that the suspects' own calls
        name, as far as the quick scope has seen them; at most C(limits.resources) of the latter.
      - A bucket that a suspect opened to everybody in the incident's window gets Block Public Access, unless it serves a website or a CDN.
    type: bool
    default: true
  quiet:
    description: In C(mode) graceful or bridge, for how long nobody must have used the old key, after its dependents were moved, before it is switched off.
    type: str
    default: 15m
  soak:
    description: In these modes, how long the old key stays inactive before it is deleted.
    type: str
    default: 24h
  phase:
    description:
      - V(all) contains.
      - V(resolve) resolves and guards, changes nothing, and returns each account's share for a run over several hosts.
      - V(hold) is a later look at what is contained, and does what V(all) does, except that it cuts nothing again that has been released. By then CloudTrail's
        history is complete. RV(looks) says when it is due.
    type: str
    choices: [all, hold, resolve]
    default: all
  account:
    description: Handle the share of this account only.
    type: str
  shares:
    description: What V(resolve) returned as RV(shares).
    type: dict
  guard_hash:
    description: What V(resolve) returned as RV(guard_hash). Shares with another hash are refused.
    type: str
"""

EXAMPLES = r"""
- name: Cut off what the incident file names
  evict.cloud.aws_contain:
    incident: incident.yml

- name: Show what would be done
  evict.cloud.aws_contain:
    case: ./cases/IR-2026-0042
  check_mode: true
  diff: true
"""

RETURN = r"""
changed_count:
  description: How many objects were changed, or would be in check mode.
  returned: when the case could be opened
  type: int
  sample: 5
status:
  description: V(ok), V(partial), V(open), V(refused) or V(error). Anything but V(ok) fails the task.
  returned: when the case could be opened
  type: str
  sample: ok
steps:
  description: What was done to which object, at most 500 of them; the ledger holds all.
  returned: when the case could be opened
  type: list
  elements: dict
  sample:
    - principal: "arn:aws:iam::111122223333:user/ci"
      resource: "arn:aws:iam::111122223333:user/ci access key AKIAIOSFODNN7EXAMPLE"
      action: deactivate
      status: done
problems:
  description: What failed or was refused, each with C(object), C(operation), C(message) and C(remedy).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
recovered:
  description: What became of the intents that an interrupted run had left without an outcome.
  returned: when the case could be opened
  type: list
  elements: str
  sample: []
head:
  description: Hash of the case's ledger after this run.
  returned: when the case could be opened
  type: str
  sample: 9f2c...
calls:
  description: Requests that were sent to AWS.
  returned: when the case could be opened
  type: int
  sample: 23
principals:
  description: The principals, each with what was done to it, the C(controls) that hold it and the proof that they do; C(managed) names what owns it
    by its tags (CloudFormation, Terraform, Pulumi ...) and would undo the fence.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: [{cloud: aws, account: "111122223333", kind: user, id: AIDACKCEVSQ6C2EXAMPLE, arn: "arn:aws:iam::111122223333:user/ci", name: ci,
            suspect: AKIAIOSFODNN7EXAMPLE, state: resolved, reason: "", action: contained, contained_at: "2026-11-22T09:01:04Z", proof: read-back,
            controls: [inline deny, session cutoff, "scp:p-0123456789"]}]
open:
  description: What stays open, with C(object), C(why) and C(due).
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
manual:
  description: Steps that no API does, in the order in which a person is to do them, each with C(id), C(object), C(what), C(why) and who has C(confirmed)
    it. The run stays V(open) until all of them are confirmed.
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: [{id: manual/portal-session/906765abcd-11111111-2222-3333-4444-555555555555,
            object: "arn:aws:identitystore:::user/906765abcd-11111111-2222-3333-4444-555555555555",
            what: "AWS console > IAM Identity Center > Users > jo > Active sessions > select all > Delete session",
            why: no API ends a session of the access portal, confirmed: null}]
residual:
  description: What could still act, until when and why.
  returned: when the case could be opened
  type: list
  elements: dict
  sample: []
suggested:
  description: Principals that the logs name and that this run did not touch, as entries for C(suspects).
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: []
lifted:
  description: Guards that the incident file lifts and that would have refused.
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: []
left:
  description: Suspects that a named person judged to be false positives, and that were therefore left alone.
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: []
fences:
  description:
    - For each account, whether a service control policy holds its principals (C(control) is V(scp), V(tag) or V(none)), its names, what holds
      C(instead), why, and what to do about it.
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: [{account: "111122223333", control: scp, policies: [evict-IR-2026-0042-111122223333-1], instead: [], why: AWS exempts service-linked roles from it,
            remedy: ""}]
isolated:
  description:
    - Compute that was isolated, or was not, with C(object), C(text), C(state), C(how) it came to be looked at, and C(why).
    - C(state) is V(isolated), V(stopped), V(would be isolated), V(partly), V(gone), V(spared), V(refused), V(left), V(unknown), V(serves) or V(proposed).
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: [{object: "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0", text: EC2 instance i-0123456789abcdef0 in eu-west-1,
            state: isolated, how: it is named as a suspect, why: ""}]
workloads:
  description:
    - What runs as a role whose sessions were revoked, with C(object), C(text), C(role), C(kind), C(state), until when it may fail, and why.
    - C(state) is V(refreshed), V(asked to refresh), V(waiting), V(left) or V(failed), or V(not listed) of a service that may use the role and whose
      workloads are not looked up (EKS pods, SageMaker, Glue, App Runner and others). V(refreshed) is what was seen to have new credentials.
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: [{object: "arn:aws:lambda:eu-west-1:111122223333:function:orders", text: Lambda function orders in eu-west-1,
            role: "arn:aws:iam::111122223333:role/orders", kind: lambda_function, state: refreshed, until: "", why: ""}]
clocks:
  description:
    - What runs out by itself or was switched off, the earliest deadline first, each with C(object), C(what), C(deadline), C(state) and C(why).
    - C(state) is V(stopped), V(running), V(unknown) or V(failed).
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: [{object: "KMS key arn:aws:kms:eu-west-1:111122223333:key/1234abcd", what: "deletion, scheduled by arn:aws:iam::111122223333:user/ci",
            deadline: "2026-11-29T09:01:04Z", state: stopped, why: it is disabled until somebody enables it}]
resource_fences:
  description:
    - Each resource that was looked at, with C(object), C(resource), C(state), why and what to do about it, and of a bucket that a suspect may have opened
      to everybody (C(public)) what became of that.
    - C(state) is V(fenced), V(would be fenced), V(failed), V(exempt), V(refused), V(gone), V(unknown), V(left), or V(spared) for a contained identity that
      no resource denies.
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: [{object: "arn:aws:s3:::customer-data", resource: bucket customer-data, state: fenced, why: declared, remedy: "", public: ""}]
dependents:
  description: How many dependents the incident declares that could be moved to a new key.
  returned: with O(phase=all)
  type: int
  sample: 0
rotation:
  description: In C(mode) graceful or bridge, for each user whose dependents are moved C({user, old, new, mode, state, deadline, places}).
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: []
severity:
  description:
    - How severe the incident is - as C(set) in the incident file, as C(proposed) from what was seen (C(why)), and the C(level) that counts, with who
      lowered it (C(by)).
  returned: with O(phase=all)
  type: dict
  sample: {set: high, proposed: critical, level: critical, why: ["privilege: arn:aws:iam::111122223333:user/ci has AdministratorAccess"], by: ""}
legal:
  description: The legal clocks that run from C(aware_at), with C(law), C(duty), C(to), C(deadline), C(state) and C(cites). Not legal advice.
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: [{id: gdpr, law: GDPR, duty: notification of a personal data breach, to: supervisory authority, deadline: "2026-11-25T09:00:00Z",
            state: running, by: "", cites: "Regulation (EU) 2016/679 Art. 33(1)"}]
events:
  description: How many log events were seen, and up to which time.
  returned: with O(phase=all)
  type: dict
  sample: {asked: true, seen: 41, until: "2026-11-22T08:58:11Z"}
watch:
  description: What somebody changed meanwhile, and nothing says yet who, so that a later look asks again; and what gives access and was done by somebody
    whom nobody suspects; and what was undone before anybody knew that it was theirs, which they have to do again. Each with C(object) and C(why).
  returned: with O(phase=all)
  type: list
  elements: dict
  sample: []
looks:
  description: When this is to be run again with O(phase=hold), which the closing of the case waits for.
  returned: with O(phase=all)
  type: list
  elements: str
  sample: ["2026-11-22T09:16:04Z", "2026-11-22T10:01:04Z"]
not_compared:
  description: What of the accounts could not be compared with what it was before. A read that failed leaves the case open.
  returned: with O(phase=all)
  type: list
  elements: str
  sample: []
shares:
  description: For each account, its principals.
  returned: with O(phase=resolve)
  type: dict
  sample: {"111122223333": [{arn: "arn:aws:iam::111122223333:user/ci"}]}
isolate:
  description: "How many of C(compute.isolate) are in each account, {account: number}, so that one without a host is named."
  returned: with O(phase=resolve)
  type: dict
  sample: {"111122223333": 1}
guard_hash:
  description: Hash over RV(shares).
  returned: with O(phase=resolve)
  type: str
  sample: 5d41...
incident:
  description: Id of the incident.
  returned: when the case could be opened
  type: str
  sample: IR-2026-0042
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evict.cloud.plugins.module_utils.aws import contain, credentials, entry


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **entry.ARGUMENTS,
            "hold": {"type": "str", "default": "90s"},
            "spread": {"type": "str", "default": "10s"},
            "freeze": {"type": "bool", "default": True},
            "scope": {"type": "int", "default": 60},
            "revoke_again": {"type": "bool", "default": False},
            "kinds": {"type": "list", "elements": "str", "choices": sorted(credentials.KINDS), "default": sorted(credentials.KINDS)},
            "account_fence": {"type": "str", "choices": ["on_the_spot", "pre_deployed", "none"], "default": "on_the_spot"},
            "live_sessions": {"type": "bool"},
            "refresh": {"type": "bool", "default": True},
            "isolate": {"type": "bool", "default": True},
            "clocks": {"type": "str", "choices": ["stop", "list", "none"], "default": "stop"},
            "resources": {"type": "bool", "default": True},
            "quiet": {"type": "str", "default": "15m"},
            "soak": {"type": "str", "default": "24h"},
            "phase": {"type": "str", "choices": ["all", "hold", "resolve"], "default": "all"},
            "account": {"type": "str"},
            "shares": {"type": "dict"},
            "guard_hash": {"type": "str"},
        },
        required_one_of=[("case", "incident", "incident_data")],
        required_together=[("account", "shares", "guard_hash")],
        supports_check_mode=True,
    )
    entry.change(module, lambda aws, case, runner: contain.contain(aws, case, runner, module.params), contain=True, read=contain.read)


if __name__ == "__main__":
    main()
