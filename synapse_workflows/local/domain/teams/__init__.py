"""Teams: members, access, invitations and membership requests."""
