"""The enforcing bed: an AWS on loopback that really answers AccessDenied (see bed.Bed)."""
