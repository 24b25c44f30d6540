"""What a serving process does, and several of them as one.

roles       which tasks a process of a role has; serving as one
supervisor  several worker processes on one address: started, replaced, stopped
worker      one of those
"""
