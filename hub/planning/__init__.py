"""PLAN BEFORE APPLY: intent -> reading -> rehearsal -> actions, then apply or let it expire."""
