"""Fetching pictures from sellers' URLs: bounded, polite, and to checked addresses only.

targets, addresses   where a request may go
transport            one request, one answer
sniffing             what the bytes are
turns                when a host may be asked
fetch_loop           many fetches at once, with retries and redirects
crew                 the loop in this process, or in several
journal              what an interrupted task had done already
earlier_outcomes     what earlier runs know of the same pictures
"""

from __future__ import annotations
