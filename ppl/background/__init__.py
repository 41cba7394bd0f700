"""Runs that go on while others work: started, watched, stopped and waited for."""
