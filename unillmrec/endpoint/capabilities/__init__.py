"""What each server accepts, and how requests adapt to it.

An endpoint quirk belongs in one of these places:

- a parameter that some server refuses or names differently: `negotiation`
- a quirk of answers (usage fields, error bodies, log probabilities): the readers in `wire`
- a new probe of `unillmrec doctor`: `prober`
- what is remembered between processes: `capability_store`
"""
